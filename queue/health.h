#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace queue {

struct ProbePolicy {
    mta::Millis interval_min{15'000};
    mta::Millis interval_max{300'000};
    // Failures in a row that take it down although it worked a moment ago (Health::trust).
    std::uint32_t failures_max = 1;
};
// A host of a static route (smart host, downstream server) is probed often, hosts of the Internet
// less so. Three failures, because a server that restarts, or whose backlog overflows, turns one or
// two connections away; one that is gone turns all away, and three take a round trip or two.
inline constexpr ProbePolicy static_route_probes{mta::Millis{15'000}, mta::Millis{300'000}, 3};
inline constexpr ProbePolicy mx_probes{mta::Millis{15'000}, mta::Millis{3'600'000}, 3};
inline constexpr ProbePolicy dns_probes{mta::Millis{30'000}, mta::Millis{3'600'000}, 1};

// Whether something that mail depends on (a destination, an address, a domain's DNS) works: the
// third of the four clocks. While it is down, one probe at a time is tried, at growing intervals,
// and no message uses up attempts.
//
// Failures of attempts during which no other attempt succeeded take it down: one failure if nothing
// has worked for a while (so the first timeout finds a server that hangs), otherwise
// ProbePolicy::failures_max in a row.
//
//   up --on_failure--> down --begin_probe (from next_probe() on)--> probing
//   up <-------------------- on_success --------------------------- probing
//                      down <--------- on_failure, end_probe ------ probing
//
// An operator may order a probe before its time. If it fails, nothing else changes: it does not
// count as a failure, and the next probe comes when it was due without the order.
class Health {
public:
    // For so long a success outweighs a single failure.
    static constexpr mta::Millis trust{60'000};

    [[nodiscard]] bool is_up() const { return state_ == State::up; }
    [[nodiscard]] bool is_probing() const { return state_ == State::probing; }
    // While down: when the next probe may begin. Empty while up or while a probe is under way.
    [[nodiscard]] std::optional<mta::Instant> next_probe() const;
    [[nodiscard]] bool may_probe(mta::Instant now) const;
    // Empty while up.
    [[nodiscard]] std::optional<mta::Instant> down_since() const;
    // The last failure since it was up. Empty while up.
    [[nodiscard]] const mta::DeliveryError& last_error() const { return last_error_; }
    [[nodiscard]] std::uint32_t failures() const { return failures_; }
    // Grows with each success: a caller that saw an earlier number and fails knows that
    // others were served meanwhile.
    [[nodiscard]] std::uint64_t successes() const { return successes_; }

    // A failure that is no probe's, of an attempt that was under way when it went down, changes
    // nothing but the error. The same is true of a probe from before it came up and went down
    // again: there is a newer probe.
    struct Failure {
        mta::DeliveryError error;
        bool is_probe = false;
        std::uint64_t successes_at_start = 0;  // successes() when the attempt began
        double jitter = 0;                     // in [-1, 1]
    };
    // Returns true if it went down with this.
    bool on_failure(Failure failure, mta::Instant now, const ProbePolicy& policy);
    // Returns true if it was not up.
    bool on_success(mta::Instant now);
    void begin_probe();
    // The probe ended without an answer to its question: the next one may begin at once.
    void end_probe(mta::Instant now, std::uint64_t successes_at_start);
    // For an operator's order: the next probe, or the one under way, becomes an ordered one.
    void probe_now(mta::Instant now);
    [[nodiscard]] bool is_probe_ordered() const { return due_unordered_.has_value(); }
    // Makes the next probe due, because what is known of the trouble is old.
    void end_interval(mta::Instant now);

    // What is known of a trouble, for the next process. Empty while up.
    struct Trouble {
        mta::Instant down_since;
        mta::Instant next_probe;
        std::uint32_t failures = 1;
        mta::DeliveryError error;
        bool operator==(const Trouble&) const = default;
    };
    [[nodiscard]] std::optional<Trouble> trouble() const;
    // Only while up and before anything is known. A next probe that is farther away than any
    // interval (the clock was wrong) becomes due now.
    void restore(Trouble trouble, mta::Instant now, const ProbePolicy& policy);

private:
    enum class State : std::uint8_t { up, down, probing };

    State state_ = State::up;
    std::uint32_t failures_ = 0;  // in a row while down: the probes'
    std::uint32_t strikes_ = 0;   // the same while up
    std::uint64_t successes_ = 0;
    std::optional<mta::Instant> last_success_;
    mta::Instant down_since_;
    mta::Instant next_probe_;
    // While a probe is ordered: when the next one would have been due without the order.
    std::optional<mta::Instant> due_unordered_;
    mta::DeliveryError last_error_;
};

}  // namespace queue
