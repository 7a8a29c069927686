#include "mta/io/clock.h"

namespace mta::io {
namespace {

Millis loop_time(Loop& loop) { return Millis{static_cast<Millis::rep>(uv_now(loop.raw()))}; }

}  // namespace

Clock::Clock(Loop& loop)
    : loop_(loop), offset_(read_machine_clock().time_since_epoch() - loop_time(loop)) {}

Instant Clock::now() const { return Instant{offset_ + loop_time(loop_)}; }

Millis Clock::follow_leap() {
    const auto ahead = read_machine_clock() - now();
    if (ahead < leap_min) return Millis{0};
    offset_ += ahead;
    return ahead;
}

Instant Clock::read_machine_clock() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Millis>(now)};
}

}  // namespace mta::io
