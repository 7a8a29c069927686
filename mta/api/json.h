#pragma once
#include <nlohmann/json.hpp>

#include "mta/api/api.h"
#include "mta/api/ranking.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::admin {

// What the API says, in JSON. Times are RFC 3339 strings or null; text from outside may be anything
// and is made valid UTF-8 by dump().

// {id, sender, size, arrived, recipients: [{address, state, attempts, next_attempt, last_reply,
// ...}]}
[[nodiscard]] nlohmann::json to_json(const outbound::MessageView& message);
[[nodiscard]] nlohmann::json to_json(const outbound::DestinationView& destination);
[[nodiscard]] nlohmann::json to_json(const RelayStatus& status);
[[nodiscard]] nlohmann::json to_json(const outbound::Counters& counters);
[[nodiscard]] nlohmann::json to_json(const Totals& totals);

// Never throws: bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string dump(const nlohmann::json& json);

}  // namespace mta::admin
