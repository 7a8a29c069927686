#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

#include "mta/api/call.h"
#include "mta/http/request.h"
#include "mta/http/response.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// GET /v1/destinations: all that have mail, connections or trouble, sorted by name.
[[nodiscard]] http::Response answer_destinations(const Call& call, const http::Request& request);

// The destinations of all shards, the first `limit` of each: `ask(desk, limit)`.
using AskDestinations = outbound::DestinationList (*)(const Desk& desk, std::size_t limit);
[[nodiscard]] Outcome<outbound::DestinationList> list_destinations(const Call& call,
                                                                   std::size_t limit,
                                                                   AskDestinations ask);
// The first `limit` of them.
[[nodiscard]] nlohmann::json destinations_json(const std::vector<outbound::DestinationView>& views,
                                               std::size_t limit);

}  // namespace mta::api
