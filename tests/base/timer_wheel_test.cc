#include "mta/base/timer_wheel.h"

#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace mta {
namespace {
using namespace std::chrono_literals;

constexpr Instant start = from_unix_ms(1'790'000'000'123);

std::vector<TimerWheel::Id> fired_at(TimerWheel& wheel, Instant now) {
    std::vector<TimerWheel::Id> fired;
    wheel.advance(now, fired);
    return fired;
}

TEST(TimerWheel, fires_at_its_millisecond_and_not_before) {
    for (const Millis delay : {1ms, 63ms, 64ms, 65ms, 4095ms, 4096ms, 60'000ms, 3'600'000ms,
                               432'000'000ms, 40'000'000'000ms, 200'000'000'000ms}) {
        TimerWheel wheel(start);
        wheel.set(7, start + delay);
        EXPECT_TRUE(fired_at(wheel, start + delay - 1ms).empty()) << delay.count();
        ASSERT_TRUE(wheel.next());
        EXPECT_LE(*wheel.next(), start + delay);
        EXPECT_EQ(fired_at(wheel, start + delay), std::vector<TimerWheel::Id>{7}) << delay.count();
        EXPECT_TRUE(wheel.empty());
        EXPECT_FALSE(wheel.next());
    }
}

TEST(TimerWheel, fires_what_is_past_at_the_next_advance) {
    TimerWheel wheel(start);
    wheel.set(1, start - 5s);
    EXPECT_EQ(wheel.next(), start);
    EXPECT_EQ(fired_at(wheel, start), std::vector<TimerWheel::Id>{1});
}

TEST(TimerWheel, does_not_fire_what_was_cleared_or_moved) {
    TimerWheel wheel(start);
    wheel.set(1, start + 10ms);
    wheel.set(2, start + 10ms);
    wheel.clear(1);
    wheel.set(2, start + 20s);
    EXPECT_FALSE(wheel.is_set(1));
    EXPECT_EQ(wheel.time_of(2), start + 20s);
    EXPECT_TRUE(fired_at(wheel, start + 15s).empty());
    EXPECT_EQ(fired_at(wheel, start + 30s), std::vector<TimerWheel::Id>{2});
}

TEST(TimerWheel, a_clock_that_goes_back_does_no_harm) {
    TimerWheel wheel(start);
    wheel.advance(start + 1min, *std::make_unique<std::vector<TimerWheel::Id>>());
    EXPECT_TRUE(fired_at(wheel, start).empty());
    wheel.set(1, start + 61s);
    EXPECT_TRUE(fired_at(wheel, start + 1s).empty());
    EXPECT_EQ(fired_at(wheel, start + 61s), std::vector<TimerWheel::Id>{1});
}

// Random operations against a map.
TEST(TimerWheel, agrees_with_a_sorted_map) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 rng(seed);
        TimerWheel wheel(start);
        std::map<TimerWheel::Id, Instant> model;
        auto now = start;
        for (int step = 0; step < 3000; ++step) {
            const auto id = static_cast<TimerWheel::Id>(rng() % 50);
            const auto action = rng() % 10;
            if (action < 6) {
                const auto delay = Millis{static_cast<std::int64_t>(rng() >> (20 + rng() % 44))};
                wheel.set(id, now + delay);
                model[id] = now + delay;
            } else if (action < 7) {
                wheel.clear(id);
                model.erase(id);
            } else {
                auto target = now + Millis{static_cast<std::int64_t>(rng() >> (24 + rng() % 40))};
                if (action == 9 && wheel.next()) target = *wheel.next();
                now = std::max(now, target);
                auto fired = fired_at(wheel, now);
                std::ranges::sort(fired);
                std::vector<TimerWheel::Id> expected;
                for (const auto& [timer, at] : model)
                    if (at <= now) expected.push_back(timer);
                for (const auto timer : expected) model.erase(timer);
                ASSERT_EQ(fired, expected);
            }
            ASSERT_EQ(wheel.empty(), model.empty());
            ASSERT_EQ(wheel.next().has_value(), !model.empty());
            for (const auto& [timer, at] : model) ASSERT_LE(*wheel.next(), at);
        }
    }
}

}  // namespace
}  // namespace mta
