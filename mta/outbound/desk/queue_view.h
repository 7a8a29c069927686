// What operators get to see: plain structs, made on demand.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/histogram.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::outbound {

// The one thing that a recipient waits for.
enum class WaitReason : std::uint8_t {
    next_attempt,        // its retry time (`until`)
    dns_answer,          // the MX look-up of its domain is under way
    dns_turn,            // so many look-ups are under way that its domain's has to wait
    dns_down,            // its domain could not be looked up; the next look-up is at `until`
    destination_down,    // its destination is down; the next probe is at `until`
    destination_slowed,  // its destination breaks sessions; the next connection is at `until`
    destination_limit,   // all connections that the destination may have are busy
    mailbox_turn,        // a host hangs or breaks sessions at this mailbox: one message at a time
    message_rate,        // its destination's message rate, which allows the next one at `until`
    connection_rate,     // its destination's connection rate, likewise
    connections_limit,   // all connections that the relay may have are busy
    unanswered_limit,    // the connections for destinations that have not answered yet are busy
    window,              // the hours in which its route delivers, which begin again at `until`
    future_release,      // the time for which its sender wanted it, `until`
    delivering,          // nothing: it is being delivered; the host must answer before `until`
    report,              // it has failed; the report to the sender is being made
    held,                // an operator's release
    draining,            // the relay's restart
    not_waiting,         // it is done with
};

enum class ViewState : std::uint8_t { queued, delivering, held, in_doubt, done };

// A host that was asked, or could not be, and what it said.
struct AttemptView {
    enum class Kind : std::uint8_t {
        charged,      // a remote answered about this message or recipient, for now with no
        in_doubt,     // charged; it may have been delivered
        not_charged,  // nothing that the message is to blame for: another host, or later
        failed,       // for good
        earlier,      // `attempts` before the relay's start, of which this was the last
    };
    Kind kind = Kind::not_charged;
    Instant at;
    std::uint16_t attempts = 0;  // of `earlier`
    DeliveryError error;
};

// More about what a recipient waits for: the object that blocks it.
struct Blocker {
    std::optional<Instant> since;  // of a destination's or a domain's trouble
    std::uint32_t failures = 0;    // probes of it that have failed since
    bool is_probing = false;       // the next one is under way
    std::size_t in_line = 0;       // messages that wait for the same, this one included
    std::uint32_t busy = 0;        // connections at work, of the destination, relay or `remote`
    std::uint32_t limit = 0;       // of those
    std::string rate;              // "100/min"
    // delivering: the host that is being spoken to; destination_limit: the one that has no room,
    // if it is not the destination's own limit
    std::string remote;
    // Since when the name servers have been asked: for the domain, or while delivering for the
    // addresses of `remote`. Empty while they are not being asked.
    std::optional<Instant> looks_up_since;
};

struct RecipientView {
    std::uint32_t number = 0;  // its place in the envelope
    std::string address;       // empty in find(): it is on disk; describe() has it
    std::string domain;
    std::string destination;  // empty: not routed yet
    ViewState state = ViewState::queued;
    std::uint16_t attempts = 0;
    std::optional<Instant> next_attempt;
    std::optional<Instant> last_attempt;
    std::optional<DeliveryError> last_error;  // of the recipient; else its destination's
    Instant expires;
    WaitReason reason = WaitReason::next_attempt;
    std::optional<Instant> until;
    // By describe() only:
    Blocker blocker;
    std::vector<AttemptView> attempts_made;  // the oldest first
    bool is_history_cut = false;             // there were more, which are forgotten
};

struct MessageView {
    queue::MessageId id = 0;
    Instant arrived;
    std::uint64_t size_bytes = 0;                   // in find() rounded up to KiB
    std::string sender;                             // reverse-path; empty: the null sender
    queue::Requests requests = {};                  // of the sender
    std::shared_ptr<const queue::Message> message;  // null in find(): it is on disk
    std::vector<RecipientView> recipients;          // open ones only
    Instant started;                                // of the relay: describe() only
};

// Which recipients of a message an order is about: their RecipientView::number, ascending; nothing:
// all of them.
using RecipientNumbers = std::optional<std::vector<std::uint32_t>>;

// An address that takes no connections: others are used instead, where there are any.
struct UnwellAddress {
    std::string host;     // the name that led to it
    std::string address;  // "192.0.2.1:25"
    Instant since;
    Instant next_try;  // of its probe; a time that has passed: under way, or with the next attempt
    DeliveryError error;
};
// A [[source]] that the destination refuses mail from.
struct SuspendedSource {
    std::string source;
    Instant until;
    DeliveryError error;
};

struct DestinationView {
    std::string name;
    std::string source;       // the pool of [[source]]s that its mail is sent from; empty: none
    std::size_t waiting = 0;  // bundles: recipients of one message that go together
    std::size_t delivering = 0;
    std::size_t connections = 0;  // open ones, idle ones included
    std::uint32_t connections_limit = 0;
    std::optional<Instant> down_since;
    std::optional<Instant> next_probe;  // nothing while down: the probe is under way
    // Outside of the hours of its route: when they begin again.
    std::optional<Instant> opens_at;
    std::optional<DeliveryError> last_error;
    std::vector<UnwellAddress> unwell;  // of those that were looked up lately
    std::vector<SuspendedSource> suspended;
};

// Some of the destinations, and how many there are of their kind.
struct DestinationList {
    std::vector<DestinationView> views;
    std::size_t count = 0;
};

// A recipient that was given up not long ago: of a message that has left the queue, as a rule.
struct EndingView {
    queue::MessageId id = 0;
    std::uint32_t recipient = 0;
    std::string address;
    Instant at;
    bool has_expired = false;
    DeliveryError error;
    queue::MessageId report = 0;    // to the sender; 0 if there is none
    bool is_report_queued = false;  // it is still on its way
};

// A domain's part of the answer to `why DOMAIN`.
struct DomainView {
    std::string domain;
    std::string destination;  // empty: not known yet
    bool is_static_route = false;
    std::size_t recipients = 0;  // open ones
    std::optional<Instant> dns_down_since;
    std::optional<Instant> next_look_up;
    std::optional<DeliveryError> dns_error;
    std::optional<DestinationView> site;
};

struct Counters {
    std::size_t messages = 0;    // in the queue
    std::size_t recipients = 0;  // open ones
    std::size_t delivering = 0;  // transactions
    std::size_t held = 0;        // recipients
    std::size_t connections = 0;
    std::size_t destinations_down = 0;
    std::uint64_t body_bytes_in_memory = 0;
    // Since the start.
    std::uint64_t accepted_total = 0;   // messages from clients
    std::uint64_t delivered_total = 0;  // recipients
    std::uint64_t deferred_total = 0;
    std::uint64_t failed_total = 0;
    std::uint64_t expired_total = 0;
    std::uint64_t in_doubt_total = 0;
    std::uint64_t reports_total = 0;
    std::uint64_t transactions_total = 0;
    std::uint64_t connects_total = 0;
};

// Since the start.
struct Latencies {
    Histogram delivery;     // arrival to delivered, a recipient
    Histogram connect;      // an address
    Histogram hello;        // connected to ready: greeting, EHLO
    Histogram transaction;  // MAIL to the last reply
};

using OnDescribed = std::move_only_function<void(queue::StoreResult<MessageView>)>;

}  // namespace mta::outbound
