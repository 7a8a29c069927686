#include "mta/api/api.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "mta/api/call.h"
#include "mta/api/ended.h"
#include "mta/api/monitoring.h"
#include "mta/api/orders.h"
#include "mta/api/questions.h"
#include "mta/api/trace.h"
#include "mta/api/why_gone.h"

namespace mta::admin {

Api::Api(std::vector<Post> shards, GetStatus get_status, Millis patience)
    : shards_(std::move(shards)),
      get_status_(std::move(get_status)),
      patience_(patience),
      monitoring_(std::make_unique<Monitoring>(shards_, get_status_, patience)) {}

Api::~Api() = default;

// Null once all old mail is known, which holds for ever then.
nlohmann::json Api::loading() const {
    if (is_loaded_) return nullptr;
    const auto status = get_status_();
    if (!status) return {{"loaded", 0}, {"of", nullptr}};  // perhaps
    if (!status->is_loading) {
        is_loaded_ = true;
        return nullptr;
    }
    nlohmann::json of;
    if (status->old_messages) of = *status->old_messages;
    return {{"loaded", status->loaded_messages}, {"of", std::move(of)}};
}

Response Api::handle(const Request& request) const {
    auto response = answer(request);
    if (response.status != 503 || response.body != too_busy().body) return response;
    // Reading a message waits for what is to be written about it.
    const auto status = get_status_();
    if (!status || !status->is_spool_stalled) return response;
    return failure(503, "the relay cannot write to its spool now, and answers when it can: " +
                            status->spool_refusal);
}

Response Api::answer(const Request& request) const {
    constexpr std::string_view why_path = "/v1/why/";
    const auto& path = request.path;
    const Call call(shards_, patience_);
    if (auto answer = answer_order(call, request)) return std::move(*answer);
    const bool is_get = request.method == "GET";
    const auto only = [&](bool is_right, auto answer) {
        return is_right ? answer() : failure(405, request.method + " does not go with " + path);
    };
    const auto only_get = [&](auto answer) { return only(is_get, answer); };
    if (path == "/metrics") return only_get([&] { return monitoring_->metrics(); });
    if (path == "/v1/top") return only_get([&] { return monitoring_->top(); });
    if (path == "/v1/trace") {
        return only(request.method == "POST",
                    [&] { return trace_response(shards_, patience_, request); });
    }
    if (path == "/v1/status") {
        return only_get([&] {
            const auto status = get_status_();
            return status ? answer_status(call, *status) : too_busy();
        });
    }
    if (path == "/v1/queue")
        return only_get([&] { return answer_queue(call, request, loading()); });
    if (path == "/v1/destinations")
        return only_get([&] { return answer_destinations(call, request); });
    if (path.starts_with(why_path)) {
        return only_get([&] {
            return answer_why(
                call, path.substr(why_path.size()), loading(),
                [this](const auto& query) { return find_ended(shards_, patience_, query); },
                [this] {
                    const auto status = get_status_();
                    return status ? words_about_quarantine(status->spool_path,
                                                           status->spool_quarantine.size())
                                  : Lines{};
                });
        });
    }
    return failure(404, "there is no " + path + " here; this relay speaks /v1");
}

}  // namespace mta::admin
