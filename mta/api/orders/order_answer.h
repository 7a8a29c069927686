#pragma once
#include "mta/api/call.h"
#include "mta/api/orders/order_done.h"
#include "mta/http/request.h"
#include "mta/http/response.h"

namespace mta::api {

// POST /v1/hold, /v1/release, /v1/flush, /v1/cancel, /v1/bounce (posthouse-api(7)).
//
// Mail that arrives after the beginning of an order is not part of it. Each message is changed in
// one step of the store, and the answer comes when all of it is on disk. An order that is large or
// takes long is answered in parts: `next` says where to go on. After each part on_order() is
// called, if it is there; an order that only asks (dry_run) is none.
[[nodiscard]] http::Response answer_order(const Call& call, const http::Request& request,
                                          const OnOrder& on_order);

}  // namespace mta::api
