#pragma once
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mta::cli {

// Why an answer did not come; `text` is a sentence to show as it is.
struct ApiError {
    enum class Kind : std::uint8_t {
        not_running,  // no socket, or nobody listens on it
        no_permission,
        refused,  // the relay answered with an error of its own
        broken,   // no sense in the answer, or none in time
    };
    Kind kind = Kind::broken;
    std::string text;
    std::uint32_t http_status = 0;  // of `refused`
};

// Speaks to a running relay through its admin socket (mta/admin/server.h). One request at a time;
// an answer takes at most 30 s.
class ApiClient {
public:
    using Parameters = std::vector<std::pair<std::string, std::string>>;
    using Answer = std::expected<nlohmann::json, ApiError>;

    explicit ApiClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

    // `path` as in "/v1/queue"; segments from outside go through escape(). Empty values are left
    // out of the query.
    [[nodiscard]] Answer get(const std::string& path, const Parameters& query = {}) const;
    [[nodiscard]] Answer post(const std::string& path, const nlohmann::json& body) const;

    [[nodiscard]] static std::string escape(std::string_view segment);

private:
    [[nodiscard]] Answer exchange(const std::string& path, const std::string* body) const;

    std::string socket_path_;
};

}  // namespace mta::cli
