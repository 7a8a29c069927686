#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "mta/api/shard_call.h"
#include "mta/outbound/desk/message_filter.h"
#include "mta/outbound/desk/queue_view.h"
#include "queue/message.h"

namespace mta::api {

// The members of an order's JSON object as text; of the flags only those that are true.
using OrderValues = std::map<std::string, std::string>;

// Does what an order says to one message. Returns the number of recipients that it changed.
using Act =
    std::function<std::size_t(Desk&, queue::MessageId, const outbound::RecipientNumbers& only)>;

// One of the orders that change queued mail. A new one begins in the table of order_kind.cc.
struct OrderKind {
    std::string_view path;
    // Whether the order can change anything about this recipient.
    bool (*concerns)(const outbound::RecipientHit& recipient);
    Act (*make)(const OrderValues& values);
    bool reads_messages = false;    // it needs the messages from the disk
    bool is_all_by_itself = false;  // without a filter it means all mail
    bool has_reason = false;        // it takes a "reason"

    // "hold"
    [[nodiscard]] std::string_view name() const { return path.substr(path.rfind('/') + 1); }
};

// Null if the path is not that of an order.
[[nodiscard]] const OrderKind* find_order(std::string_view path);

}  // namespace mta::api
