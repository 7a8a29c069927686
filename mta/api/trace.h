#pragma once
#include "mta/api/call.h"
#include "mta/http/request.h"
#include "mta/http/response.h"

namespace mta::api {

// POST /v1/trace {"watch": "a name of your own", "what": "them.example"}
//   {"lines": [{"at", "kind": "sent" | "received" | "note" | "end", "connection", "host", "id",
//   "text"}], "dropped": n}
//
// The SMTP dialogue of coming attempts for an address (of a sender or a recipient) or a domain. The
// first request with a name begins to watch; each further one returns the lines since the one
// before. The relay forgets a watcher that does not ask for some seconds. "end": true ends the
// trace. Status 429: there are too many watchers.
[[nodiscard]] http::Response answer_trace(const Call& call, const http::Request& request);

}  // namespace mta::api
