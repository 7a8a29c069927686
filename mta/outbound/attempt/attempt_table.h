#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/handle_timers.h"
#include "mta/base/time.h"
#include "mta/outbound/attempt/attempt.h"
#include "mta/outbound/attempt/host_queue.h"
#include "mta/outbound/attempt/trials.h"
#include "mta/outbound/destination/site_table.h"
#include "queue/slab.h"

namespace mta::outbound {

// All attempts that are under way, and what is counted because of their states: places and
// connections of the relay and of each site, trials, host queues, and which attempts use which
// connection. A state changes in enter() alone, so that the counts never differ from the states.
class AttemptTable {
public:
    struct Parts {
        SiteTable& sites;
        HostQueue& queue;
        Trials& trials;
    };
    AttemptTable(Parts parts, std::function<Instant()> now)
        : parts_(parts), now_(std::move(now)), pauses_(now_()) {}

    // The attempt begins in its state. A trial begins if it has a place; one on a kept connection is
    // none.
    [[nodiscard]] AttemptHandle add(Attempt attempt);
    // The attempt moves to another state, to which there must be a transition.
    void enter(AttemptHandle handle, AttemptState next);
    // The attempt ends. What is returned counts nowhere any more.
    Attempt remove(AttemptHandle handle);

    [[nodiscard]] Attempt& operator[](AttemptHandle handle) { return attempts_[handle]; }
    [[nodiscard]] const Attempt& operator[](AttemptHandle handle) const {
        return attempts_[handle];
    }
    // In no particular order; changes with every add() and remove().
    [[nodiscard]] const std::vector<AttemptHandle>& all() const { return all_; }
    [[nodiscard]] std::size_t size() const { return all_.size(); }
    // Empty if no attempt has the bundle.
    [[nodiscard]] AttemptHandle of_bundle(queue::BundleHandle bundle) const;
    // Connections that attempts are going to open.
    [[nodiscard]] std::uint32_t places() const { return places_; }

    // The attempts that use the connection, in the order of their transactions.
    [[nodiscard]] std::span<const AttemptHandle> on(ConnectionHandle connection) const;
    // The first of them. Empty if there is none.
    [[nodiscard]] AttemptHandle first_on(ConnectionHandle connection) const;

    // The transaction of `first` has ended, and that of `next` follows it on the same connection:
    // `next` leads the connection from now on.
    void pass_connection_on(AttemptHandle first, AttemptHandle next);

    // A host of the site has answered about a message: its connection is a trial no longer.
    void end_trial(AttemptHandle handle);
    // The body of the message has left.
    void send_trial(AttemptHandle handle);
    // Another session begins after one that came to nothing: the trial has all its time again.
    void begin_trial_afresh(AttemptHandle handle);

    // Attempts whose pause is over. They stay paused.
    [[nodiscard]] std::vector<AttemptHandle> take_due_pauses();
    [[nodiscard]] std::optional<Instant> next_pause_end() const { return pauses_.next(); }

    // For tests: the counts are those of the states. Empty if so, else what is wrong.
    [[nodiscard]] std::string check() const;

private:
    void count(AttemptHandle handle, const AttemptState* before, const AttemptState* after);
    void begin_trial(AttemptHandle handle);
    void use(ConnectionHandle connection, AttemptHandle handle);
    void stop_using(ConnectionHandle connection, AttemptHandle handle);

    Parts parts_;
    std::function<Instant()> now_;
    queue::Slab<Attempt, AttemptHandle> attempts_;
    std::vector<AttemptHandle> all_;
    std::vector<std::size_t> position_;  // in all_, by attempt
    std::uint32_t places_ = 0;
    HandleTimers<AttemptHandle> pauses_;
    std::vector<std::vector<AttemptHandle>> uses_;  // by connection
};

}  // namespace mta::outbound
