#include "mta/api/json_values.h"

#include "mta/base/time_format.h"

namespace mta::api {

using nlohmann::json;

json time_or_null(const std::optional<Instant>& time) {
    return time && *time != Instant{} ? json(format_rfc3339(*time)) : json(nullptr);
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json error_or_null(const std::optional<DeliveryError>& error) {
    if (!error) return nullptr;
    return {{"code", error->reply_code},
            {"status", to_string(error->status)},
            {"text", error->text},
            {"host", text_or_null(error->remote)}};
}

}  // namespace mta::api
