#pragma once
#include <chrono>
#include <cstdint>

namespace mta {

// The only clock. It has no now() on purpose: code is told the time, so a test can be the clock.
//
// Its epoch is Unix time zero, so that an Instant can be written to disk and means the same after a
// restart; within a process it never goes back (io::Clock keeps that promise, whatever happens to
// the machine's clock).
struct LoopClock {
    using duration = std::chrono::milliseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<LoopClock>;
    static constexpr bool is_steady = true;
};
using Instant = LoopClock::time_point;
using Millis = LoopClock::duration;

[[nodiscard]] constexpr std::int64_t to_unix_ms(Instant instant) {
    return instant.time_since_epoch().count();
}
[[nodiscard]] constexpr Instant from_unix_ms(std::int64_t unix_ms) {
    return Instant{Millis{unix_ms}};
}

}  // namespace mta
