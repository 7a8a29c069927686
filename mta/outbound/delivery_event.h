#pragma once
#include <cstdint>
#include <functional>
#include <string_view>
#include <variant>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::outbound {

// What the queue manager did and saw, one struct an event: the daemon writes the delivery log from
// them, a test counts them. Every reference and view in them is good only during the call.

// Common to the events about one recipient. `address` is empty where the envelope is not at hand
// (it is on disk): then `recipient` and `domain` say who is meant.
struct RecipientRef {
    queue::MessageId id = 0;
    std::size_t recipient = 0;  // index into envelope.recipients
    std::string_view address;
    std::string_view domain;
    std::string_view destination;  // the route's hosts or the MX site; empty: not routed
    std::string_view source = {};  // the [[source]] that it was sent from; empty: none
};

// A transaction begins: on a connection that is kept, or on the way to a new one.
struct AttemptStarted {
    queue::MessageId id = 0;
    std::string_view destination;
    std::uint32_t recipients = 0;
};
struct Delivered {
    RecipientRef recipient;
    std::string_view remote;  // "mx1.them.example [192.0.2.1]:25"
    std::uint16_t reply_code = 0;
    std::string_view reply;  // the remote's words, lines joined by '\n'
    std::uint16_t attempts = 0;
    Millis age{};  // since the message arrived
};
// A host could not be spoken to, or not about this; if there is another one, that is tried next.
struct HostFailed {
    queue::MessageId id = 0;
    std::string_view destination;
    const DeliveryError& error;
};
// A remote answered about this message or recipient, for now with no: charged as an attempt.
struct Deferred {
    RecipientRef recipient;
    const DeliveryError& error;
    std::uint16_t attempts = 0;
    Instant next_due;
};
// The transaction came to nothing for a reason that is not the message's (host, DNS, a connection
// lost half-way): nothing is charged. The bundle waits for its destination, or until `next_due`.
struct Postponed {
    queue::MessageId id = 0;
    std::string_view destination;
    const DeliveryError& error;
    Instant next_due;  // Instant{}: as soon as the destination is back
};
struct Failed {
    RecipientRef recipient;
    const DeliveryError& error;
};
struct Expired {
    RecipientRef recipient;
    const DeliveryError& last_error;
};
// The final dot left and the reply to it was lost: the remote may have the message. It is tried
// again later.
struct InDoubt {
    RecipientRef recipient;
    const DeliveryError& error;
    Instant next_due;
};
enum class ReportKind : std::uint8_t { failure, delay, relayed };
struct ReportQueued {
    queue::MessageId id = 0;  // the original
    queue::MessageId report = 0;
    ReportKind kind = ReportKind::failure;
    std::string_view to;
};
// A failure that nobody will hear of.
struct ReportDropped {
    enum class Reason : std::uint8_t {
        null_sender,  // a double bounce: the message was itself a report
        not_wanted,   // NOTIFY said so
        not_made,     // make_reports() made none, or the original cannot be read
    };
    RecipientRef recipient;
    Reason reason = Reason::null_sender;
};
// Every recipient is done with: the message leaves the queue.
struct Completed {
    queue::MessageId id = 0;
    Millis age{};
};
// Operator's or client's doing.
struct Cancelled {
    queue::MessageId id = 0;
    std::size_t recipients = 0;
};
struct DestinationDown {
    std::string_view destination;
    const DeliveryError& error;
    Instant next_probe;
    std::size_t waiting = 0;  // bundles
};
struct DestinationUp {
    std::string_view destination;
    Millis down_for{};
    std::size_t waiting = 0;
};
// A site refuses mail from one of our addresses: others of the same pool take over there.
struct SourceSuspended {
    std::string_view destination;
    std::string_view source;
    const DeliveryError& error;
    Instant until;
};
// The store could not give a message back. `corrupt`: it is no longer in the queue. Otherwise it is
// read again later.
struct Unreadable {
    queue::MessageId id = 0;
    const queue::StoreError& error;
};

using DeliveryEvent =
    std::variant<AttemptStarted, Delivered, HostFailed, Deferred, Postponed, Failed, Expired,
                 InDoubt, ReportQueued, ReportDropped, Completed, Cancelled, DestinationDown,
                 DestinationUp, SourceSuspended, Unreadable>;

using OnEvent = std::function<void(const DeliveryEvent&)>;

}  // namespace mta::outbound
