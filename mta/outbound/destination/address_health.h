#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/ip_address.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/outbound/destination/hint.h"
#include "mta/outbound/destination/recent_map.h"
#include "queue/health.h"

namespace mta::outbound {

// Which addresses take connections, whatever sites they belong to. One that does not is passed over
// by later attempts, but for its own probe: one attempt at a time, at growing intervals. What to do
// when no address is well is the caller's to decide: next_try() says which one is the least bad.
//
// Of an attempt: may_try(), begin(), then one of succeeded(), failed(), learnt_nothing().
class AddressHealth {
public:
    struct Attempt {
        Endpoint endpoint;
        bool is_probe = false;
        std::uint64_t successes_at_start = 0;
    };

    AddressHealth();

    // It is well, or its probe is due and no other attempt makes it.
    [[nodiscard]] bool may_try(const Endpoint& endpoint, Instant now) const;
    // Instant{}: well. While its probe is under way: when that began to be due.
    [[nodiscard]] Instant next_try(const Endpoint& endpoint) const;
    // Whether it may_try() or not.
    [[nodiscard]] Attempt begin(const Endpoint& endpoint, Instant now);
    // Returns whether it was unwell.
    bool succeeded(const Attempt& attempt, Instant now);
    // Returns whether it has become unwell with this. `is_static`: of a static route, which is
    // probed more often. `jitter` in [-1, 1].
    struct Failure {
        DeliveryError error;
        bool is_static = false;
        double jitter = 0;
    };
    bool failed(const Attempt& attempt, Failure failure, Instant now);
    // Broken off.
    void learnt_nothing(const Attempt& attempt, Instant now);
    // An operator wants to know now.
    void probe_now(const Endpoint& endpoint, Instant now);

    [[nodiscard]] bool is_well(const Endpoint& endpoint) const;
    // Empty if it is well.
    [[nodiscard]] std::optional<queue::Health::Trouble> trouble(const Endpoint& endpoint) const;
    void add_hints(Hints& hints) const;
    void restore(const Hint& hint, Instant now);
    [[nodiscard]] std::size_t size() const { return known_.size(); }

private:
    RecentMap<Endpoint, queue::Health> known_;
};

}  // namespace mta::outbound
