#include "mta/api/answer.h"

namespace mta::api {
namespace {

constexpr const char* content_type = "application/json";

// Never throws: text from outside may be anything, and bytes that are not UTF-8 are replaced.
std::string dump(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Problem too_busy() {
    return {503, "the relay is too busy to answer (a shard did not in time); try again"};
}

http::Response success(const nlohmann::json& value) { return {200, dump(value), content_type}; }

http::Response failure(const Problem& problem) { return failure(problem.status, problem.text); }

http::Response failure(std::uint32_t status, std::string_view text) {
    return {status, dump({{"error", text}}), content_type};
}

}  // namespace mta::api
