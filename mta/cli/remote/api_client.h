#pragma once
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/cli/command_io.h"

namespace mta::cli {

// Why there is no answer.
struct ApiError {
    enum class Kind : std::uint8_t {
        not_running,  // there is no socket, or no process listens on it
        no_permission,
        refused,  // the relay answered with an error
        broken,   // the answer makes no sense, or did not come in time
    };
    Kind kind = Kind::broken;
    std::string text;               // a sentence, to be shown as it is
    std::uint32_t http_status = 0;  // of `refused`
};

// Asks a running relay through its admin socket (mta/api/api.h). One request at a time; an answer
// takes at most 30 s.
class ApiClient {
public:
    using Parameters = std::vector<std::pair<std::string, std::string>>;
    using Answer = std::expected<nlohmann::json, ApiError>;

    explicit ApiClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

    // `path` is such as "/v1/queue"; segments from outside must go through escape(). Empty values
    // are left out of the query.
    [[nodiscard]] Answer get(const std::string& path, const Parameters& query = {}) const;
    [[nodiscard]] Answer post(const std::string& path, const nlohmann::json& body) const;

    [[nodiscard]] static std::string escape(std::string_view segment);

private:
    [[nodiscard]] Answer exchange(const std::string& path, const std::string* body) const;

    std::string socket_path_;
};

// Writes the error to `err`. Returns the exit status.
[[nodiscard]] int fail(CommandIo& io, const ApiError& error);

}  // namespace mta::cli
