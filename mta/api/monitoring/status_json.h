#pragma once
#include <nlohmann/json.hpp>

#include "mta/api/relay_status.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

[[nodiscard]] nlohmann::json to_json(const RelayStatus& status);
[[nodiscard]] nlohmann::json to_json(const outbound::Counters& counters);

}  // namespace mta::api
