#pragma once
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "mta/http/response.h"

namespace mta::api {

// Why a request cannot be answered: an HTTP status and a sentence.
struct Problem {
    std::uint32_t status = 400;
    std::string text;
};
template <class T>
using Outcome = std::expected<T, Problem>;

// A shard did not answer in time.
[[nodiscard]] Problem too_busy();

// The responses of the API: JSON, the thing that was asked for or {"error": sentence}.
[[nodiscard]] http::Response success(const nlohmann::json& value);
[[nodiscard]] http::Response failure(const Problem& problem);
[[nodiscard]] http::Response failure(std::uint32_t status, std::string_view text);

}  // namespace mta::api
