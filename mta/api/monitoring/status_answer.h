#pragma once
#include "mta/api/call.h"
#include "mta/api/relay_status.h"
#include "mta/http/response.h"

namespace mta::api {

// GET /v1/status: the state of the relay, its counters, and the destinations that are down.
[[nodiscard]] http::Response answer_status(const Call& call, const GetStatus& get_status);

}  // namespace mta::api
