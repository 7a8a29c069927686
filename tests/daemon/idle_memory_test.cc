#include "mta/daemon/idle_memory.h"

#include <gtest/gtest.h>

namespace mta::daemon {
namespace {

constexpr std::size_t much = 100u << 20;

TEST(IdleMemory, is_given_back_once_after_a_peak_that_is_over) {
    IdleMemory memory;
    EXPECT_FALSE(memory.is_worth_it(much)) << "it may be needed again in a moment";
    EXPECT_TRUE(memory.is_worth_it(much));
    for (int i = 0; i < 10; ++i)
        EXPECT_FALSE(memory.is_worth_it(much)) << "it still counts as free";
    EXPECT_FALSE(memory.is_worth_it(much + (20u << 20)));
    EXPECT_FALSE(memory.is_worth_it(0)) << "the next peak uses it";
    EXPECT_FALSE(memory.is_worth_it(much));
    EXPECT_TRUE(memory.is_worth_it(much));
}

TEST(IdleMemory, is_left_alone_while_it_comes_and_goes) {
    IdleMemory memory;
    for (int i = 0; i < 10; ++i) {
        EXPECT_FALSE(memory.is_worth_it(much));
        EXPECT_FALSE(memory.is_worth_it(1000));
    }
}

}  // namespace
}  // namespace mta::daemon
