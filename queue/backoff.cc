#include "queue/backoff.h"

#include <algorithm>
#include <cmath>

namespace queue {
namespace {

using mta::Millis;

// The wait that a remote asks for may exceed that of the schedule by so much.
constexpr Millis beyond_schedule_max{3'600'000};

Millis spread(Millis delay, std::uint32_t percent, double jitter) {
    const auto share = static_cast<double>(delay.count()) * percent / 100;
    return std::max(Millis{1}, delay + Millis{static_cast<Millis::rep>(share * jitter)});
}

Millis doubled(Millis delay, std::uint32_t times, Millis max) {
    for (; times > 0 && delay < max; --times) delay *= 2;
    return std::min(delay, max);
}

}  // namespace

Millis retry_delay(const RetryPolicy& policy, std::uint32_t attempts, double jitter) {
    const auto done = std::max(attempts, 1u);
    auto delay = policy.max_interval;
    if (done <= policy.schedule.size()) {
        delay = policy.schedule[done - 1];
    } else if (!policy.schedule.empty()) {
        const auto beyond = done - static_cast<std::uint32_t>(policy.schedule.size());
        delay = doubled(policy.schedule.back(), beyond, policy.max_interval);
    }
    return spread(delay, policy.jitter_percent, jitter);
}

Millis hinted_delay(const RetryPolicy& policy, const HintedWait& wait, double jitter) {
    constexpr Millis hinted_min{30'000};
    // Never earlier than what was asked for.
    const auto wanted = spread(wait.hint, policy.jitter_percent, std::abs(jitter));
    return std::clamp(wanted, std::max(hinted_min, wait.scheduled / 4),
                      wait.scheduled + beyond_schedule_max);
}

Millis longest_wait(const RetryPolicy& policy) {
    auto longest = policy.max_interval;
    for (const auto wait : policy.schedule) longest = std::max(longest, wait);
    return spread(longest, policy.jitter_percent, 1) + beyond_schedule_max;
}

Millis last_attempt_margin(Millis lifetime) { return std::min(Millis{60'000}, lifetime / 20); }

mta::Instant next_attempt(mta::Instant now, Millis delay, mta::Instant expiry, Millis lifetime) {
    if (now >= expiry) return now + delay;
    const auto last = expiry - last_attempt_margin(lifetime);
    if (now >= last) return expiry;
    return std::min(now + delay, last);
}

Millis exponential_delay(Millis first, Millis max, std::uint32_t failures, double jitter) {
    return spread(doubled(first, failures > 0 ? failures - 1 : 0, max), 10, jitter);
}

}  // namespace queue
