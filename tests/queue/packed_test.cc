#include "queue/packed.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;

TEST(Uint48, keeps_every_bit_of_what_fits) {
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xffff}, std::uint64_t{0x10000},
          std::uint64_t{0xffffffff}, std::uint64_t{0x100000000}, std::uint64_t{0x123456789abc},
          Uint48::max}) {
        EXPECT_EQ(Uint48(value), value);
    }
    EXPECT_EQ(Uint48(), 0u);
}

TEST(Uint48DeathTest, takes_nothing_larger) { EXPECT_DEATH(Uint48(Uint48::max + 1), "max"); }

TEST(PackedInstant, keeps_milliseconds_and_clamps_what_is_too_far) {
    const auto now = mta::from_unix_ms(1'795'003'200'123);
    const auto latest = mta::from_unix_ms(static_cast<std::int64_t>(Uint48::max));
    EXPECT_EQ(PackedInstant(now).get(), now);
    EXPECT_EQ(PackedInstant().get(), mta::Instant{});
    EXPECT_EQ(PackedInstant(latest).get(), latest);
    EXPECT_EQ(PackedInstant(latest + 1ms).get(), latest);
    EXPECT_EQ(PackedInstant(mta::Instant::max()).get(), latest);
    EXPECT_EQ(PackedInstant(mta::Instant{} - 1ms).get(), mta::Instant{});
    EXPECT_EQ(PackedInstant(mta::Instant::min()).get(), mta::Instant{});
}

TEST(PackedInstant, is_reckoned_with_like_an_instant) {
    const auto now = mta::from_unix_ms(1'795'003'200'123);
    const PackedInstant packed = now;
    EXPECT_EQ(packed, now);
    EXPECT_EQ(packed, PackedInstant(now));
    EXPECT_LT(packed, now + 1ms);
    EXPECT_GT(packed, now - 1ms);
    EXPECT_LT(now - 1ms, packed);
    EXPECT_LT(packed, PackedInstant(now + 1ms));
    EXPECT_EQ(packed + 5ms, now + 5ms);
    EXPECT_EQ(packed - 5ms, now - 5ms);
    EXPECT_EQ(packed - (now - 7ms), 7ms);
    EXPECT_EQ((now + 7ms) - packed, 7ms);
}

}  // namespace
}  // namespace queue
