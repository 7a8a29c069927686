#pragma once
#include <chrono>
#include <cstdint>

namespace mta {

// The only clock. It has no now() on purpose: time is an argument, so that a test can be the clock.
//
// Its epoch is Unix time zero: an Instant on disk means the same after a restart. Within a process
// it never goes back; io::Clock ensures that even if the machine's clock does.
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
