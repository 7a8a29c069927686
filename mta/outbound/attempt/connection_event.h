#pragma once
#include <cstddef>
#include <optional>
#include <variant>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/smtp/client/client_event.h"
#include "mta/smtp/syntax/capabilities.h"
#include "queue/store.h"

namespace mta::outbound {

// What a connection reports. Events own what they carry, so that they can pass to another thread.

// The stream is open.
struct Connected {
    Millis took{0};
};
// The greeting and EHLO are over.
struct Greeted {
    smtp::Capabilities capabilities;
    Millis took{0};
};
// No transaction is under way: one may be started. Follows Greeted and the last transaction's end.
struct ConnectionReady {};
// The next transaction may be started behind the one that waits for its last reply.
struct ConnectionRoom {};
// Once: the whole body of the first transaction has left. From then on the message may have been
// delivered.
struct BodyOut {};
struct TransactionEnd {
    smtp::TransactionEnded outcome;
    // The store could not give the body: the transaction was broken off, and `outcome` says nothing
    // but its number.
    std::optional<queue::StoreError> unreadable = std::nullopt;
    std::optional<Millis> took = std::nullopt;  // if it began
};
// Once, the last of all.
struct ConnectionEnded {
    std::optional<DeliveryError> error;  // if the host is to blame (connection level)
    // It ended before it began: this machine cannot send from the target's source address.
    bool has_unusable_source = false;
};
// Only the state has changed.
struct StateChanged {};

using ConnectionEvent = std::variant<Connected, Greeted, ConnectionReady, ConnectionRoom, BodyOut,
                                     TransactionEnd, ConnectionEnded, StateChanged>;

// What the pool has to know about a connection between its events; comes with each of them.
struct ConnectionState {
    bool has_ended = false;
    bool can_start = false;  // a transaction
    // Some transaction's whole body has left: it may be delivered, whatever this relay does.
    bool is_past_final_dot = false;
    // The host must answer by then.
    std::optional<Instant> deadline;
    // Since when the host has been silent in a transaction, though it is its turn; empty if there is
    // no transaction.
    std::optional<Instant> silent_since;
    // The recipient whose RCPT waits for its reply, by its place in the first transaction.
    std::optional<std::size_t> recipient_awaited;
};

}  // namespace mta::outbound
