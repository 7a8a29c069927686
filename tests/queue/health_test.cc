#include "queue/health.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;
using mta::Instant;

class HealthTest : public testing::Test {
protected:
    bool fail(bool is_probe = false) {
        return health.on_failure({.error = {.text = "refused"},
                                  .is_probe = is_probe,
                                  .successes_at_start = health.successes()},
                                 now, mx_probes);
    }

    Instant now{1000h};
    Health health;
};

TEST_F(HealthTest, one_failure_is_enough_for_what_has_never_worked) {
    EXPECT_TRUE(fail());
    EXPECT_EQ(health.down_since(), now);
    EXPECT_EQ(health.next_probe(), now + 15s);
}

TEST_F(HealthTest, one_failure_is_enough_when_the_last_success_is_old) {
    health.on_success(now);
    now += Health::trust;
    EXPECT_TRUE(fail())
        << "a connection that hung for so long, or the first one after a quiet time";
}

TEST_F(HealthTest, a_single_failure_among_successes_does_not_take_it_down) {
    for (int i = 0; i < 100; ++i) {
        health.on_success(now);
        now += 1s;
        EXPECT_FALSE(fail());
        EXPECT_FALSE(fail()) << "nor two";
        EXPECT_TRUE(health.last_error().text.empty());
    }
    EXPECT_TRUE(fail()) << "three in a row do";
    EXPECT_EQ(health.last_error().text, "refused");
}

TEST_F(HealthTest, a_failure_of_what_began_before_a_success_says_nothing) {
    const auto before = health.successes();
    health.on_success(now);
    now += 10min;
    for (int i = 0; i < 10; ++i)
        EXPECT_FALSE(
            health.on_failure({.error = {}, .successes_at_start = before}, now, mx_probes));
    EXPECT_TRUE(health.is_up());
}

// The first probe hangs; what was under way before brings it up, and it goes down again.
TEST_F(HealthTest, a_probe_that_hung_ends_no_later_one) {
    for (const bool has_failed : {true, false}) {
        health = Health();
        fail();
        now = *health.next_probe();
        health.begin_probe();
        const auto of_first = health.successes();
        health.on_success(now);
        now += Health::trust;
        fail();
        now = *health.next_probe();
        health.begin_probe();
        if (has_failed) {
            health.on_failure({.error = {}, .is_probe = true, .successes_at_start = of_first}, now,
                              mx_probes);
        } else {
            health.end_probe(now, of_first);
        }
        EXPECT_TRUE(health.is_probing());
        EXPECT_FALSE(health.may_probe(now + 24h)) << "there would be two at once";
        fail(true);
        EXPECT_EQ(health.next_probe(), now + 30s);
        now = *health.next_probe();
        health.begin_probe();
        health.end_probe(now, health.successes());
        EXPECT_TRUE(health.may_probe(now));
    }
}

TEST_F(HealthTest, an_ordered_probe_that_fails_changes_nothing_else) {
    fail();
    now += 15s;
    health.begin_probe();
    fail(true);
    const auto due = now + 30s;
    ASSERT_EQ(health.next_probe(), due);
    for (int i = 0; i < 5; ++i) {
        now += 1s;
        health.probe_now(now);
        health.probe_now(now);
        EXPECT_TRUE(health.may_probe(now));
        EXPECT_EQ(health.trouble()->next_probe, due) << "nor does it after a restart";
        health.begin_probe();
        EXPECT_TRUE(health.is_probe_ordered());
        fail(true);
        EXPECT_FALSE(health.is_probe_ordered());
        EXPECT_EQ(health.next_probe(), due);
    }
    now = due;
    health.begin_probe();
    fail(true);
    EXPECT_EQ(health.next_probe(), now + 60s) << "as if nothing had been ordered";
}

TEST_F(HealthTest, an_ordered_probe_that_outlasts_the_interval_does_not_lengthen_it) {
    fail();
    now += 5s;
    health.probe_now(now);
    health.begin_probe();
    now += 5min;
    fail(true);
    EXPECT_EQ(health.next_probe(), now + 15s);
    now += 15s;
    health.begin_probe();
    health.probe_now(now);
    fail(true);
    EXPECT_EQ(health.next_probe(), now + 15s) << "the probe under way is the ordered one";
}

TEST_F(HealthTest, an_order_is_fulfilled_by_a_success) {
    health.probe_now(now);
    EXPECT_FALSE(health.is_probe_ordered()) << "what is up needs none";
    fail();
    health.probe_now(now);
    health.begin_probe();
    health.on_success(now);
    now += Health::trust;
    fail();
    EXPECT_EQ(health.next_probe(), now + 15s);
    EXPECT_FALSE(health.is_probe_ordered());
}

TEST_F(HealthTest, remembers_its_trouble_over_a_restart) {
    EXPECT_EQ(health.trouble(), std::nullopt);
    fail();
    for (int i = 0; i < 3; ++i) {
        now = *health.next_probe();
        health.begin_probe();
        fail(true);
    }
    const auto trouble = health.trouble();
    ASSERT_TRUE(trouble);
    Health other;
    now += 5s;
    other.restore(*trouble, now, mx_probes);
    EXPECT_EQ(other.trouble(), trouble);
    EXPECT_FALSE(other.may_probe(now));
    now = *other.next_probe();
    other.begin_probe();
    other.on_failure({.error = {}, .is_probe = true}, now, mx_probes);
    EXPECT_EQ(*other.next_probe() - now, 240s) << "the intervals grow on";
}

TEST_F(HealthTest, does_not_believe_a_probe_that_is_further_off_than_any) {
    Health::Trouble trouble{
        .down_since = now + 30 * 24h, .next_probe = now + 30 * 24h, .error = {}};
    health.restore(trouble, now, mx_probes);
    EXPECT_EQ(health.next_probe(), now);
    EXPECT_EQ(health.down_since(), now);
}

}  // namespace
}  // namespace queue
