#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "mta/outbound/attempt/attempt_handle.h"
#include "mta/outbound/attempt/host_queue.h"
#include "mta/outbound/attempt/host_walk.h"
#include "mta/outbound/attempt/rates_held.h"
#include "mta/outbound/attempt/trials.h"
#include "mta/outbound/attempt/verdict.h"
#include "mta/outbound/connection_handle.h"
#include "queue/bundle.h"
#include "queue/destination.h"
#include "queue/handles.h"
#include "queue/message.h"

namespace mta::outbound {

// The right to open one connection: it counts among the relay's connections and the site's.
struct ConnectionPlace {
    HostSlot slot;  // where the attempt was called from a host's queue
};

// Where an attempt is. Each state carries what belongs to it and to no other.
namespace attempt_state {

// The message is read back from the store. `kept`: an idle connection that is reserved for the
// attempt; empty: it has a place for one.
struct Reading {
    ConnectionHandle kept;
    Pending answer;
};
// It may open a connection, and goes to the next host or address.
struct Admitted {
    ConnectionPlace place;
};
// The addresses of a host are looked up. Without a place the look-up has lasted so long that the
// connection was left to others.
struct Resolving {
    Instant since;
    std::optional<ConnectionPlace> place;
    Pending answer;
};
// Until the rates of the site allow another connection (then without a place), or the resolver has
// room for a look-up.
struct Paused {
    Instant until;
    std::optional<ConnectionPlace> place;
};
// In the queue of a host that has no room.
struct Queued {
    HostLimits::HostPtr host;
    Instant expires_at = Instant::max();  // the first recipient is given up then
};
struct Connecting {
    ConnectionHandle connection;
};
// A transaction is under way.
struct Transacting {
    ConnectionHandle connection;
    // The attempt holds the connection. Otherwise its transaction follows that of another attempt
    // on the same connection, and takes the connection over when that one ends.
    bool leads = true;
};
// Waits until its connection is closed, and goes on at another one: no attempt has two.
struct Leaving {
    ConnectionHandle connection;
};
// The message is no longer the relay's concern, and yet it may have been taken: the transaction
// goes on to its end, and its outcome is ignored.
struct Abandoned {
    ConnectionHandle connection;
    bool leads = true;
};

}  // namespace attempt_state

using AttemptState =
    std::variant<attempt_state::Reading, attempt_state::Admitted, attempt_state::Resolving,
                 attempt_state::Paused, attempt_state::Queued, attempt_state::Connecting,
                 attempt_state::Transacting, attempt_state::Leaving, attempt_state::Abandoned>;

[[nodiscard]] std::string_view name_of(const AttemptState& state);  // "resolving"
// Whether an attempt may go from one state to the other. The table of all transitions is in
// attempt.cc. An attempt may end in every state.
[[nodiscard]] bool is_legal(const AttemptState& from, const AttemptState& to);

// What a state holds that is counted elsewhere. AttemptTable::enter() keeps the counts in step.
struct Claims {
    bool place = false;               // a connection that is still to be opened
    bool connection = false;          // an open one
    bool is_queued = false;           // at a host
    bool is_in_long_look_up = false;  // one that holds no place
};
[[nodiscard]] Claims claims_of(const AttemptState& state);
// Empty if the state has none.
[[nodiscard]] ConnectionHandle connection_of(const AttemptState& state);
// The attempt holds a connection of the site, or a right to one: it counts as busy there.
[[nodiscard]] bool leads(const AttemptState& state);

// One attempt to deliver a bundle: the recipients of a message that go to one destination together.
struct Attempt {
    // ---- What is delivered, and where ----
    std::uint64_t number = 0;  // unique among the attempts of this process; 0: a free entry
    queue::MessageId id = 0;
    queue::MessageHandle message;
    queue::BundleHandle bundle;  // empty once its recipients are in another one, or settled
    queue::SiteHandle site;
    queue::SenderGroup sender;
    std::shared_ptr<const queue::Message> content;       // null until it is read
    std::vector<std::uint32_t> recipients;               // still to be served, by number
    std::vector<std::optional<DeliveryError>> refusals;  // beside them: of the whole message
    Purpose purpose = Purpose::mail;
    bool is_retry = false;
    queue::Destination::Mark at_start;

    // ---- How it stands ----
    AttemptState state = attempt_state::Admitted{};
    HostWalk walk;
    RatesHeld rates;
    std::optional<Trials::Id> trial;  // its connection is one
    Heard heard = Heard::nothing;
    bool was_offered = false;    // some host was offered the message
    bool is_unreadable = false;  // the store could not give it
    std::uint32_t fresh_starts = 0;
    std::optional<std::uint32_t> broken_at_mailbox;  // queue::BrokenAt

    [[nodiscard]] bool is_probe() const { return purpose != Purpose::mail; }
    // By some host, in this attempt; one that lacks a keyword answers without a session.
    [[nodiscard]] bool was_answered() const {
        return walk.sessions() > 0 || heard > Heard::nothing;
    }
};

}  // namespace mta::outbound
