#include "queue/backoff.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;

const RetryPolicy policy{.schedule = {1min, 5min, 15min, 30min, 1h},
                         .max_interval = 4h,
                         .jitter_percent = 10,
                         .lifetime = 5 * 24h,
                         .bounce_lifetime = 2 * 24h,
                         .delay_notices = {4h, 24h}};

TEST(Backoff, follows_the_schedule_then_doubles_up_to_the_longest_interval) {
    const std::vector<Millis> pauses = {1min, 5min, 15min, 30min, 1h, 2h, 4h, 4h, 4h};
    for (std::uint32_t attempts = 1; attempts <= pauses.size(); ++attempts)
        EXPECT_EQ(retry_delay(policy, attempts, 0), pauses[attempts - 1]) << attempts;
    EXPECT_EQ(retry_delay(policy, 60'000, 0), 4h);
    EXPECT_EQ(retry_delay({.schedule = {}, .max_interval = 1h}, 1, 0), 1h);
}

TEST(Backoff, jitter_spreads_either_way) {
    EXPECT_EQ(retry_delay(policy, 5, 1), 66min);
    EXPECT_EQ(retry_delay(policy, 5, -1), 54min);
    EXPECT_GE(retry_delay({.schedule = {1ms}, .max_interval = 1ms, .jitter_percent = 100}, 1, -1),
              1ms);
}

TEST(Backoff, a_hint_goes_before_the_schedule_within_bounds) {
    const struct {
        Millis hint;
        Millis scheduled;
        double jitter;
        Millis want;
    } cases[] = {
        {300s, 1min, 0, 300s},     {300s, 1min, 1, 330s}, {300s, 1min, -1, 330s},
        {1s, 1min, 0, 30s},        {60s, 4h, 0, 1h},      {2h, 4h, 0, 2h},
        {24h, 1min, 0, 1h + 1min}, {24h, 4h, 1, 5h},      {61min, 1min, 1, 61min},
    };
    for (const auto& each : cases) {
        EXPECT_EQ(
            hinted_delay(policy, {.hint = each.hint, .scheduled = each.scheduled}, each.jitter),
            each.want)
            << each.hint.count() << " instead of " << each.scheduled.count();
    }
}

TEST(Backoff, the_last_attempt_is_just_before_the_expiry) {
    const auto expiry = Instant{100h};
    EXPECT_EQ(next_attempt(Instant{50h}, 4h, expiry, 100h), Instant{54h});
    EXPECT_EQ(next_attempt(Instant{98h}, 4h, expiry, 100h), expiry - 1min);
    EXPECT_EQ(next_attempt(expiry - 1min, 4h, expiry, 100h), expiry) << "that was the last one";
    EXPECT_EQ(next_attempt(Instant{99h}, 4h, expiry, 10min), expiry - 30s)
        << "of a short life little";
}

TEST(Backoff, exponential_delays_have_a_least_and_a_most) {
    EXPECT_EQ(exponential_delay(15s, 5min, 1, 0), 15s);
    EXPECT_EQ(exponential_delay(15s, 5min, 3, 0), 60s);
    EXPECT_EQ(exponential_delay(15s, 5min, 100, 0), 5min);
}

}  // namespace
}  // namespace queue
