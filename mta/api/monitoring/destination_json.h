#pragma once
#include <nlohmann/json.hpp>

#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// {"name", "waiting", "delivering", "connections", "down_since", "last_error", ...}
[[nodiscard]] nlohmann::json to_json(const outbound::DestinationView& destination);

}  // namespace mta::api
