#pragma once
#include <cstdint>
#include <vector>

#include "mta/base/time.h"

namespace queue {

// When to try again, how long, and when to tell the sender (conf::Retry, without the layer).
struct RetryPolicy {
    std::vector<mta::Millis> schedule;  // before the 2nd, 3rd... attempt
    mta::Millis max_interval{};
    std::uint32_t jitter_percent = 0;
    mta::Millis lifetime{};                  // of a message without a lifetime of its route's
    mta::Millis bounce_lifetime{};           // the same for the null sender
    std::vector<mta::Millis> delay_notices;  // ages, ascending
};

// Pause before the next attempt after `attempts` ones (at least 1): the schedule's, and when it has
// run out its last one doubled again and again, at most max_interval. `jitter` in [-1, 1] spreads
// it by jitter_percent either way, so that the retries of one burst do not come as one.
[[nodiscard]] mta::Millis retry_delay(const RetryPolicy& policy, std::uint32_t attempts,
                                      double jitter);

// The same when the other side has said how long to wait (`hint`): that long and up to
// jitter_percent more, but not less than 30 s or a quarter of `scheduled` (who says "in a minute"
// for days is not asked each minute), and not more than an hour beyond it (a strange hint must cost
// nobody a day).
[[nodiscard]] mta::Millis hinted_delay(const RetryPolicy& policy, mta::Millis hint,
                                       mta::Millis scheduled, double jitter);

// No wait that this schedule makes is longer, hints and jitter included.
[[nodiscard]] mta::Millis longest_wait(const RetryPolicy& policy);

// The last attempt before a message expires is made this long before it, so that it is not bounced
// without having been tried at the end (a retry that would come after the expiry is clipped).
// Nothing of a short life is lost: at most a twentieth of `lifetime`.
[[nodiscard]] mta::Millis last_attempt_margin(mta::Millis lifetime);

// The next attempt of a message that expires at `expiry`: now + delay, clipped; the expiry itself
// when even the last attempt is behind us. What has outlived its expiry (nobody could try it) waits
// its delay.
[[nodiscard]] mta::Instant next_attempt(mta::Instant now, mta::Millis delay, mta::Instant expiry,
                                        mta::Millis lifetime);

// first, doubled with each failure in a row (from 1), at most `max`, spread like retry_delay() by
// 10 %.
[[nodiscard]] mta::Millis exponential_delay(mta::Millis first, mta::Millis max,
                                            std::uint32_t failures, double jitter);

}  // namespace queue
