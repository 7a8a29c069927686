#include "mta/io/local_time.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace mta::io {
namespace {

using namespace std::chrono_literals;

TEST(LocalTime, follows_the_zone_of_the_machine_and_its_changes_of_the_clock) {
    constexpr auto winter = from_unix_ms(1'768'435'200'000);  // 2026-01-15T00:00:00Z
    constexpr auto summer = from_unix_ms(1'784'073'600'000);  // 2026-07-15T00:00:00Z
    // No name of a zone: those are files that may be missing.
    ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    reread_time_zone();
    EXPECT_EQ(utc_offset_at(winter), 1h);
    EXPECT_EQ(utc_offset_at(summer), 2h);
    EXPECT_EQ(utc_offset_at(from_unix_ms(1'774'745'999'999)), 1h) << "2026-03-29T00:59:59.999Z";
    EXPECT_EQ(utc_offset_at(from_unix_ms(1'774'746'000'000)), 2h);
    ::setenv("TZ", "NST3:30", 1);
    reread_time_zone();
    EXPECT_EQ(utc_offset_at(winter), -210min);
    ::unsetenv("TZ");
    reread_time_zone();
}

}  // namespace
}  // namespace mta::io
