#pragma once
#include "mta/api/api.h"
#include "mta/api/call.h"

namespace mta::admin {

// POST /v1/hold, /v1/release, /v1/flush, /v1/cancel, /v1/bounce (posthouse-api(7)). Nothing: it is
// none of these paths.
//
// An order goes through the queue in steps, between which the relay does its work. What comes in
// after its beginning is not meant. Each message is changed in one step of the store; the answer is
// given when that is on disk. An order that is large or takes long is answered in parts: `next`
// says where to go on.
[[nodiscard]] std::optional<Response> answer_order(const Call& call, const Request& request);

}  // namespace mta::admin
