#pragma once
#include <string>

#include "mta/api/answer.h"
#include "mta/api/call.h"
#include "mta/api/orders/order_kind.h"
#include "mta/base/time.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::api {

// An order as a client sends it: a JSON object with the parts of a filter, "all", "dry_run",
// "cursor" and, to some orders, "reason".
struct OrderRequest {
    outbound::MessageFilter filter;  // excludes messages that arrived after `began`
    Act act;
    Cursor from;
    Instant began;
    bool is_dry_run = false;
    std::string words;  // for the log: "hold domain=them.example"
};

[[nodiscard]] Outcome<OrderRequest> parse_order(const Call& call, const OrderKind& kind,
                                                const std::string& body);

// "0-4711-1795003200000": where to go on with an order, and when the order began.
[[nodiscard]] std::string to_cursor(const Cursor& cursor, Instant began);

}  // namespace mta::api
