#pragma once
#include <cstdint>
#include <vector>

#include "mta/base/time.h"

namespace queue {

// When a message is tried again, for how long, and when its sender is notified. It has the values
// of conf::Retry, which this folder does not see.
struct RetryPolicy {
    std::vector<mta::Millis> schedule;  // before the 2nd, 3rd... attempt
    mta::Millis max_interval{};
    std::uint32_t jitter_percent = 0;
    mta::Millis lifetime{};                  // of a message without a lifetime of its route's
    mta::Millis bounce_lifetime{};           // the same for the null sender
    std::vector<mta::Millis> delay_notices;  // ages, ascending
};

// The pause before the next attempt after `attempts` attempts (at least 1): that of the schedule,
// and behind its end the last one doubled again and again, at most max_interval. `jitter` in
// [-1, 1] spreads it by jitter_percent either way, so that the retries of a burst are no burst.
[[nodiscard]] mta::Millis retry_delay(const RetryPolicy& policy, std::uint32_t attempts,
                                      double jitter);

// The same when the remote has said how long to wait (`hint`): that long and up to jitter_percent
// more. It is not less than 30 s or a quarter of `scheduled`, so that a server which says "in a
// minute" for days is not asked each minute, and not more than an hour beyond `scheduled`, so that
// a strange hint cannot cost a day.
struct HintedWait {
    mta::Millis hint;
    mta::Millis scheduled;
};
[[nodiscard]] mta::Millis hinted_delay(const RetryPolicy& policy, const HintedWait& wait,
                                       double jitter);

// No wait of this policy is longer, hints and jitter included.
[[nodiscard]] mta::Millis longest_wait(const RetryPolicy& policy);

// How long before its expiry a message is tried for the last time. A retry that would come after
// the expiry is moved there, so that no message is bounced without an attempt at the end. The
// margin is at most a twentieth of `lifetime`, so that a short life is not cut by much.
[[nodiscard]] mta::Millis last_attempt_margin(mta::Millis lifetime);

// The next attempt of a message that expires at `expiry`: now + delay, but no later than the last
// attempt, and the expiry itself if even that has passed. A message that has outlived its expiry
// without an attempt waits for its delay.
[[nodiscard]] mta::Instant next_attempt(mta::Instant now, mta::Millis delay, mta::Instant expiry,
                                        mta::Millis lifetime);

// `first`, doubled with each failure in a row (from 1), at most `max`, and spread by 10 % as in
// retry_delay().
[[nodiscard]] mta::Millis exponential_delay(mta::Millis first, mta::Millis max,
                                            std::uint32_t failures, double jitter);

}  // namespace queue
