#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace mta::api {

// Values that many answers have. Times are RFC 3339 strings; what is not there is null.
[[nodiscard]] nlohmann::json time_or_null(const std::optional<Instant>& time);
[[nodiscard]] nlohmann::json text_or_null(const std::string& text);
// {"code", "status", "text", "host"}
[[nodiscard]] nlohmann::json error_or_null(const std::optional<DeliveryError>& error);

template <class T>
[[nodiscard]] nlohmann::json value_or_null(const std::optional<T>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

}  // namespace mta::api
