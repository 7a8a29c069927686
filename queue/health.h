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
// A host of our own (smart host, downstream server) is looked at often, the Internet's less so.
// Three failures: a server that restarts, or whose backlog overflows, turns one or two connections
// away; one that is gone turns away all, and three are tried within a round trip or two.
inline constexpr ProbePolicy static_route_probes{mta::Millis{15'000}, mta::Millis{300'000}, 3};
inline constexpr ProbePolicy mx_probes{mta::Millis{15'000}, mta::Millis{3'600'000}, 3};
inline constexpr ProbePolicy dns_probes{mta::Millis{30'000}, mta::Millis{3'600'000}, 1};

// Whether something that mail depends on (a destination, an address, a domain's DNS) works: the
// third of the four clocks. While it is down nothing is tried but one probe at a time, at growing
// intervals, and no message's attempts are used up.
//
// What takes it down are failures of attempts during which nobody else succeeded: one, if nothing
// has worked for a while (a server that hangs is found out with the first timeout), and
// ProbePolicy::failures_max in a row, if something has.
//
//   up --on_failure--> down --begin_probe (from next_probe() on)--> probing
//   up <-------------------- on_success --------------------------- probing
//                      down <--------- on_failure, end_probe ------ probing
//
// An operator may order a probe before its time. If it fails nothing else changes: it does not
// count as a failure, and the next probe comes when it was due anyway.
class Health {
public:
    // A success counts for so long against a failure.
    static constexpr mta::Millis trust{60'000};

    [[nodiscard]] bool is_up() const { return state_ == State::up; }
    [[nodiscard]] bool is_probing() const { return state_ == State::probing; }
    // While down: when the next probe may begin. Nothing: up, or a probe is under way.
    [[nodiscard]] std::optional<mta::Instant> next_probe() const;
    [[nodiscard]] bool may_probe(mta::Instant now) const;
    // While not up.
    [[nodiscard]] std::optional<mta::Instant> down_since() const;
    // Of the last failure since it was last up. While up: empty.
    [[nodiscard]] const mta::DeliveryError& last_error() const { return last_error_; }
    [[nodiscard]] std::uint32_t failures() const { return failures_; }
    // Grows with each success: a caller that saw an earlier number and fails knows that
    // others were served meanwhile.
    [[nodiscard]] std::uint64_t successes() const { return successes_; }

    // `is_probe`: the failure is a probe's own. Others, of what was under way when it went down,
    // change nothing but the error; nor does a probe that others have outlived: it came up and went
    // down again meanwhile, and has a newer one. `successes_at_start`: successes() when the attempt
    // began.
    // `jitter` in [-1, 1].
    struct Failure {
        mta::DeliveryError error;
        bool is_probe = false;
        std::uint64_t successes_at_start = 0;
        double jitter = 0;
    };
    // True: it went down with this.
    bool on_failure(Failure failure, mta::Instant now, const ProbePolicy& policy);
    // True: it was not up.
    bool on_success(mta::Instant now);
    void begin_probe();
    // The probe ended without having learnt anything: the next may begin at once.
    void end_probe(mta::Instant now, std::uint64_t successes_at_start);
    // An operator wants to know now: the next probe, or the one under way, is an ordered one.
    void probe_now(mta::Instant now);
    [[nodiscard]] bool is_probe_ordered() const { return due_unordered_.has_value(); }
    // The next probe is due: what is known of the trouble is old.
    void end_interval(mta::Instant now);

    // What is known of a trouble, to be kept over a restart. Nothing while up.
    struct Trouble {
        mta::Instant down_since;
        mta::Instant next_probe;
        std::uint32_t failures = 1;
        mta::DeliveryError error;
        bool operator==(const Trouble&) const = default;
    };
    [[nodiscard]] std::optional<Trouble> trouble() const;
    // Only while up, and nothing is known yet. A time to come that no interval could have made (a
    // clock was wrong) becomes now.
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
    // While a probe is ordered: when the next one was due without the order.
    std::optional<mta::Instant> due_unordered_;
    mta::DeliveryError last_error_;
};

}  // namespace queue
