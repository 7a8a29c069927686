#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace queue {

struct ProbePolicy {
    mta::Millis interval_min{15'000};
    mta::Millis interval_max{300'000};
};
// A host of our own (smart host, downstream server) is looked at often, the Internet's less so.
inline constexpr ProbePolicy static_route_probes{mta::Millis{15'000}, mta::Millis{300'000}};
inline constexpr ProbePolicy mx_probes{mta::Millis{15'000}, mta::Millis{3'600'000}};
inline constexpr ProbePolicy dns_probes{mta::Millis{30'000}, mta::Millis{3'600'000}};

// Whether something that mail depends on (a destination, a domain's DNS) works: the third of the
// four clocks. While it is down nothing is tried but one probe at a time, at growing intervals, and
// no message's attempts are used up.
//
//   up --on_failure--> down --begin_probe (from next_probe() on)--> probing
//   up <-------------------- on_success --------------------------- probing
//                      down <--------- on_failure, end_probe ------ probing
class Health {
public:
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

    // `is_probe`: the failure is the probe's own. Others, of what was under way when it went down,
    // change nothing but the error. `jitter` in [-1, 1].
    struct Failure {
        mta::DeliveryError error;
        bool is_probe = false;
        double jitter = 0;
    };
    // True: it went down with this.
    bool on_failure(Failure failure, mta::Instant now, const ProbePolicy& policy);
    // True: it was not up.
    bool on_success();
    void begin_probe();
    // The probe ended without having learnt anything: the next may begin at once.
    void end_probe(mta::Instant now);
    // An operator wants to know now. A probe under way is answer enough.
    void probe_now(mta::Instant now);

private:
    enum class State : std::uint8_t { up, down, probing };

    State state_ = State::up;
    std::uint32_t failures_ = 0;  // in a row
    mta::Instant down_since_;
    mta::Instant next_probe_;
    mta::DeliveryError last_error_;
};

}  // namespace queue
