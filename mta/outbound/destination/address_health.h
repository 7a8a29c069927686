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

// Which addresses take connections, whatever sites they belong to. An address that does not is
// unwell: attempts skip it, except for one probe at a time, at growing intervals. When no address
// is well, the caller decides what to do: next_try() says which one is the least bad.
//
// Calls for an attempt: may_try(), begin(), then one of succeeded(), failed(), learnt_nothing().
class AddressHealth {
public:
    struct Attempt {
        Endpoint endpoint;
        bool is_probe = false;
        std::uint64_t successes_at_start = 0;
    };

    AddressHealth();

    // Whether it is well, or its probe is due and no other attempt makes it.
    [[nodiscard]] bool may_try(const Endpoint& endpoint, Instant now) const;
    // Instant{}: well. While its probe is under way: when that began to be due.
    [[nodiscard]] Instant next_try(const Endpoint& endpoint) const;
    // An attempt begins, whatever may_try() has said.
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
    // The attempt was broken off.
    void learnt_nothing(const Attempt& attempt, Instant now);
    // For an operator's order: makes the next probe due now.
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
