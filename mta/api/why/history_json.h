#pragma once
#include <nlohmann/json.hpp>

#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// to_json() of a message that describe() gave, and for each recipient also what blocks it and what
// was tried: "blocker", and "history": [{"at", "kind", "host", "code", "status", "text",
// "attempts"?}].
[[nodiscard]] nlohmann::json to_json_with_history(const outbound::MessageView& message);

}  // namespace mta::api
