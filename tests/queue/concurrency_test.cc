#include "queue/concurrency.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

// All connections are at work, and each is answered once.
void round(Concurrency& concurrency) {
    const auto limit = concurrency.limit();
    for (std::uint32_t i = 0; i < limit; ++i) concurrency.on_success(concurrency.limit());
}

TEST(Concurrency, doubles_each_round_until_the_first_trouble) {
    Concurrency concurrency({.start = 2, .max = 20});
    for (const auto want : {4u, 8u, 16u, 20u, 20u}) {
        round(concurrency);
        EXPECT_EQ(concurrency.limit(), want);
    }
}

TEST(Concurrency, trouble_halves_it_and_then_it_grows_by_one_a_round) {
    Concurrency concurrency({.start = 16, .max = 20});
    concurrency.on_failure({.in_use = 16, .epoch_at_start = concurrency.epoch()});
    for (const auto want : {8u, 9u, 10u}) {
        EXPECT_EQ(concurrency.limit(), want);
        round(concurrency);
    }
}

TEST(Concurrency, of_a_burst_of_failures_one_counts) {
    Concurrency concurrency({.start = 16, .max = 20});
    const auto epoch = concurrency.epoch();
    for (int i = 0; i < 16; ++i) concurrency.on_failure({.in_use = 16, .epoch_at_start = epoch});
    EXPECT_EQ(concurrency.limit(), 8u);
    concurrency.on_failure({.in_use = 8, .epoch_at_start = concurrency.epoch()});
    EXPECT_EQ(concurrency.limit(), 4u) << "the next burst's";
}

TEST(Concurrency, halves_what_was_in_use_and_not_what_nobody_used) {
    Concurrency concurrency({.start = 20, .max = 20});
    concurrency.on_failure({.in_use = 6, .epoch_at_start = concurrency.epoch()});
    EXPECT_EQ(concurrency.limit(), 3u);
}

TEST(Concurrency, does_as_it_is_told_and_never_below_one) {
    Concurrency concurrency({.start = 5, .max = 20});
    concurrency.lower_to(7);
    EXPECT_EQ(concurrency.limit(), 5u);
    concurrency.lower_to(3);
    EXPECT_EQ(concurrency.limit(), 3u);
    concurrency.lower_to(0);
    EXPECT_EQ(concurrency.limit(), 1u);
}

TEST(Concurrency, asks_for_more_than_was_named_only_now_and_then) {
    Concurrency concurrency({.start = 5, .max = 20});
    int asked = 0;
    for (int i = 0; i < 10'000; ++i) {
        concurrency.on_success(concurrency.limit());
        if (concurrency.limit() <= 3) continue;
        ++asked;
        concurrency.lower_to(3);
    }
    EXPECT_GE(asked, 5);
    EXPECT_LE(asked, 10);
}

TEST(Concurrency, after_an_outage_one_two_four) {
    Concurrency concurrency({.start = 5, .max = 20});
    concurrency.on_failure({.in_use = 5, .epoch_at_start = concurrency.epoch()});
    concurrency.on_recovery();
    for (const auto want : {1u, 2u, 4u, 8u, 16u, 20u}) {
        EXPECT_EQ(concurrency.limit(), want);
        round(concurrency);
    }
}

TEST(Concurrency, stays_as_it_is_while_it_is_not_what_limits_us) {
    Concurrency concurrency({.start = 5, .max = 20});
    for (int i = 0; i < 100; ++i) concurrency.on_success(4);
    EXPECT_EQ(concurrency.limit(), 5u);
    concurrency.set_policy({.start = 5, .max = 3});
    EXPECT_EQ(concurrency.limit(), 3u);
    concurrency.set_policy({.start = 5, .max = 20});
    EXPECT_EQ(concurrency.limit(), 5u) << "nothing has spoken against it";
}

}  // namespace
}  // namespace queue
