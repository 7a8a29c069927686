#include "queue/token_bucket.h"

#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;
using mta::Rate;

const Instant start = mta::from_unix_ms(1'790'000'000'000);

TEST(TokenBucket, without_a_rate_allows_everything) {
    TokenBucket bucket;
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(bucket.may_take(start));
        bucket.take(start);
    }
    EXPECT_EQ(bucket.forgotten_at(), Instant{});
}

TEST(TokenBucket, spreads_what_it_allows) {
    TokenBucket bucket(Rate{100, 60s});
    EXPECT_TRUE(bucket.may_take(start));
    bucket.take(start);
    EXPECT_FALSE(bucket.may_take(start + 599ms));
    EXPECT_EQ(bucket.next(), start + 600ms);
    EXPECT_EQ(bucket.forgotten_at(), start + 600ms);
}

TEST(TokenBucket, takes_back_what_was_not_used_unless_others_were_taken_since) {
    TokenBucket bucket(Rate{100, 60s});
    bucket.take(start);
    const auto first = bucket.forgotten_at();
    bucket.give_back(first);
    EXPECT_EQ(bucket.next(), start);
    bucket.take(start + 10ms);
    bucket.give_back(first);
    EXPECT_EQ(bucket.next(), start + 610ms);
    TokenBucket unlimited;
    unlimited.take(start);
    unlimited.give_back(unlimited.forgotten_at());
    EXPECT_TRUE(unlimited.may_take(start));
}

// Whoever takes whenever it is allowed gets the rate, and what was not taken cannot be had later.
TEST(TokenBucket, gives_the_whole_rate_and_no_more_in_any_period) {
    for (const auto& rate : {Rate{1, 1s}, Rate{3, 1s}, Rate{100, 60s}, Rate{7, 3600s},
                             Rate{1000, 1s}, Rate{999, 1s}, Rate{50'000, 60s}}) {
        for (const int busy_percent : {100, 50}) {
            SCOPED_TRACE(std::to_string(rate.count) + " in " + std::to_string(rate.period.count()) +
                         " ms, seed 7");
            std::mt19937_64 rng(7);
            TokenBucket bucket(rate);
            std::deque<Instant> last_period;
            std::uint64_t taken = 0;
            const auto end = start + 5 * rate.period;
            auto now = start;
            while (now < end) {
                while (!last_period.empty() && last_period.front() <= now - rate.period)
                    last_period.pop_front();
                while (bucket.may_take(now)) {
                    bucket.take(now);
                    last_period.push_back(now);
                    ++taken;
                }
                ASSERT_LE(last_period.size(), rate.count);
                now = std::max(bucket.next(), now + 1ms);
                if (rng() % 100 >= static_cast<std::uint64_t>(busy_percent))
                    now += Millis{static_cast<std::int64_t>(
                        rng() % static_cast<std::uint64_t>(rate.period.count()))};
            }
            if (busy_percent == 100) {
                EXPECT_GE(taken * 100, std::uint64_t{rate.count} * 5 * 98);
            }
        }
    }
}

TEST(TokenBucket, may_be_forgotten_when_it_allows_as_much_at_once_as_a_new_one) {
    constexpr Rate rate{1000, 1s};
    const auto take_all = [](TokenBucket& bucket, Instant now) {
        int taken = 0;
        for (; bucket.may_take(now); ++taken) bucket.take(now);
        return taken;
    };
    TokenBucket bucket(rate);
    const auto at_once = take_all(bucket, start);
    EXPECT_GT(at_once, 1);
    EXPECT_EQ(take_all(bucket, bucket.forgotten_at()), at_once);
}

TEST(TokenBucket, a_new_rate_counts_from_the_last_one_taken) {
    TokenBucket bucket(Rate{1, 60s});
    bucket.take(start);
    bucket.set_rate(Rate{60, 60s});
    EXPECT_EQ(bucket.next(), start + 1s);
    bucket.set_rate(Rate{6, 60s});
    EXPECT_EQ(bucket.next(), start + 10s);
    bucket.set_rate(std::nullopt);
    EXPECT_TRUE(bucket.may_take(start));
    bucket.set_rate(Rate{1, 60s});
    bucket.take(start + 1s);
    EXPECT_EQ(bucket.next(), start + 61s);
}

TEST(TokenBucket, goes_on_after_a_restart_where_it_was) {
    for (const auto& rate : {Rate{2, 3600s}, Rate{100, 60s}, Rate{1000, 1s}}) {
        TokenBucket bucket(rate);
        for (int i = 0; i < 50 && bucket.may_take(start); ++i) bucket.take(start);
        const auto taken = bucket.last_taken(start);
        ASSERT_TRUE(taken);
        TokenBucket restored(rate);
        restored.restore({.last_taken = *taken, .now = start});
        EXPECT_GE(restored.next(), bucket.next());
        EXPECT_LE(restored.next(), bucket.next() + 1ms);
        TokenBucket before;  // its rate is known later
        before.restore({.last_taken = *taken, .now = start});
        before.set_rate(rate);
        EXPECT_LE(before.next(), restored.next());
        EXPECT_GE(before.next(), restored.next() - 10ms) << "but for what may come at once";
        EXPECT_EQ(bucket.last_taken(bucket.forgotten_at()), std::nullopt) << "it matters no more";
    }
    EXPECT_EQ(TokenBucket().last_taken(start), std::nullopt);
}

TEST(TokenBucket, a_wrong_clock_costs_one_interval_at_most) {
    for (const auto wrong : {-1000h, -1h, 1h, 1000h}) {
        TokenBucket bucket(Rate{2, 3600s});
        bucket.restore({.last_taken = start + wrong, .now = start});
        EXPECT_LE(bucket.next(), start + 30min);
    }
    TokenBucket bucket(Rate{2, 3600s});
    bucket.restore({.last_taken = Instant::min(), .now = start});
    EXPECT_TRUE(bucket.may_take(start));
    bucket.restore({.last_taken = Instant::max(), .now = start});
    EXPECT_LE(bucket.next(), start + 30min);
}

}  // namespace
}  // namespace queue
