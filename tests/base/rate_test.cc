#include "mta/base/rate.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

using namespace std::chrono_literals;

TEST(Rate, is_a_number_a_slash_and_a_unit) {
    EXPECT_EQ(parse_rate("100/min"), (Rate{100, 60s}));
    EXPECT_EQ(parse_rate("100/m"), (Rate{100, 60s}));
    EXPECT_EQ(parse_rate("1/s"), (Rate{1, 1s}));
    EXPECT_EQ(parse_rate("1000000/h"), (Rate{1'000'000, 1h}));
    for (const auto* text :
         {"", "/", "100", "100/", "/min", "0/s", "-1/s", "+1/s", " 1/s", "1 /s", "1/ s", "1.5/s",
          "1/sec", "1/d", "1/s/s", "1000001/s", "99999999999999999999/s"}) {
        EXPECT_FALSE(parse_rate(text)) << text;
    }
}

TEST(Rate, is_written_as_it_is_read) {
    for (const auto* text : {"100/min", "1/s", "1000000/h"}) {
        const auto rate = parse_rate(text);
        ASSERT_TRUE(rate);
        EXPECT_EQ(to_string(*rate), text);
    }
}

}  // namespace
}  // namespace mta
