#pragma once
#include <vector>

#include "mta/api/api.h"

namespace mta::admin {

// POST /v1/trace {"watch": "a name of your own", "what": "them.example"}
//   {"lines": [{"at", "kind": "sent" | "received" | "note" | "end", "connection", "host", "id",
//   "text"}], "dropped": n}
//
// The SMTP dialogue of coming attempts for an address (sender or recipient) or a domain, since the
// last request with that name; the first one begins to watch. Ask at least every few seconds: who
// does not is forgotten. With "end": true it ends. 429: too many watch already.
[[nodiscard]] Response trace_response(const std::vector<Api::Post>& shards, Millis patience,
                                      const Request& request);

}  // namespace mta::admin
