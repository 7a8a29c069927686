#include "mta/base/assert.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

TEST(MtaAssert, lets_the_truth_pass) { MTA_ASSERT(1 + 1 == 2); }

TEST(MtaAssertDeathTest, ends_the_program_with_one_line_that_says_where) {
    EXPECT_DEATH(MTA_ASSERT(1 + 1 == 3),
                 "assertion_failed condition=\"1 \\+ 1 == 3\" at=.*assert_test.cc:[0-9]+\n");
}

}  // namespace
}  // namespace mta
