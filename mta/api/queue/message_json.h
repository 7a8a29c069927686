#pragma once
#include <nlohmann/json.hpp>

#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// A message as `queue` lists it: {"id", "sender", "size", "arrived", "recipients": [{"address",
// "state", "attempts", "next_attempt", "last_reply", ...}]}. A new column begins here.
[[nodiscard]] nlohmann::json to_json(const outbound::MessageView& message);

}  // namespace mta::api
