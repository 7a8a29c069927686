#include "queue/segment_log/writing/free_space.h"

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

constexpr std::uint64_t mb = 1'000'000;

struct SpaceWorld {
    explicit SpaceWorld(std::uint64_t free_bytes, std::uint64_t total_bytes = 100'000 * mb) {
        set(free_bytes, total_bytes);
    }
    void set(std::uint64_t free_bytes, std::uint64_t total_bytes, std::uint64_t free_files = 1000) {
        disk.set_space({free_bytes, total_bytes, free_files, 2000});
        space.look();
    }
    [[nodiscard]] bool is_low() const { return condition.has(LogCondition::Trouble::low_space); }

    FakeDisk disk;
    LogOptions options = [] {
        LogOptions some;
        some.segment_bytes = 64 * mb;
        some.free_percent_min = 10;
        some.free_bytes_min = 500 * mb;
        return some;
    }();
    Index index;
    LogCondition condition;
    FreeSpace space{disk, options, index, condition};
};

TEST(FreeSpace, is_low_below_the_larger_of_the_two_floors) {
    SpaceWorld world(9'999 * mb);
    EXPECT_TRUE(world.is_low());
    world.set(10'000 * mb, 100'000 * mb);
    EXPECT_FALSE(world.is_low());
    world.set(499 * mb, 1000 * mb);
    EXPECT_TRUE(world.is_low());
    world.set(500 * mb, 1000 * mb);
    EXPECT_FALSE(world.is_low());
}

TEST(FreeSpace, is_low_when_inodes_are) {
    SpaceWorld world(50'000 * mb);
    world.set(50'000 * mb, 100'000 * mb, world.options.free_files_min - 1);
    EXPECT_TRUE(world.is_low());
}

TEST(FreeSpace, new_floors_hold_from_the_next_look_on) {
    SpaceWorld world(9'000 * mb);
    world.space.set_floors(5, 0);
    EXPECT_TRUE(world.is_low());
    world.space.look();
    EXPECT_FALSE(world.is_low());
}

TEST(FreeSpace, keeps_two_segments_and_half_a_kilobyte_for_each_queued_message_free_of_mail) {
    SpaceWorld world(129 * mb);
    EXPECT_TRUE(world.space.has_room_for_mail(1 * mb));
    EXPECT_FALSE(world.space.has_room_for_mail(1 * mb + 1));
    for (MessageId id = 1; id <= 100; ++id) {
        world.index.add(id, {.enqueue = {.segment = 1, .offset = 4096, .bytes = 64},
                             .state = {},
                             .deltas = {},
                             .bodies = {}});
    }
    world.space.look();
    EXPECT_TRUE(world.space.has_room_for_mail(1 * mb - 51'200));
    EXPECT_FALSE(world.space.has_room_for_mail(1 * mb - 51'199));
}

TEST(FreeSpace, leaves_half_of_a_small_disk_to_mail) {
    const SpaceWorld world(100 * mb, 100 * mb);
    EXPECT_TRUE(world.space.has_room_for_mail(50 * mb));
    EXPECT_FALSE(world.space.has_room_for_mail(50 * mb + 1));
}

TEST(FreeSpace, is_scarce_one_segment_above_what_is_kept) {
    SpaceWorld world(192 * mb);
    EXPECT_FALSE(world.space.is_scarce());
    EXPECT_EQ(world.space.scarce_bytes(), 0u);
    world.set(192 * mb - 1, 100'000 * mb);
    EXPECT_TRUE(world.space.is_scarce());
    EXPECT_EQ(world.space.scarce_bytes(), 192 * mb - 1);
}

TEST(FreeSpace, of_a_full_disk_is_short_whatever_the_system_says) {
    SpaceWorld world(50'000 * mb);
    EXPECT_FALSE(world.space.is_short());
    EXPECT_FALSE(world.space.is_scarce());
    world.condition.set(LogCondition::Trouble::full, {StoreError::Kind::no_space, "full"});
    EXPECT_TRUE(world.space.is_short());
    EXPECT_TRUE(world.space.is_scarce());
}

TEST(FreeSpace, a_small_disk_gets_small_segments) {
    FakeDisk disk;
    LogOptions options;
    options.segment_bytes = 64 * mb;
    disk.set_space({320 * mb, 320 * mb, 1000, 1000});
    EXPECT_EQ(fit_to_disk(options, disk).segment_bytes, 10 * mb);
    disk.set_space({1 * mb, 1 * mb, 1000, 1000});
    EXPECT_EQ(fit_to_disk(options, disk).segment_bytes, 64u << 10);
    disk.set_space({100'000 * mb, 100'000 * mb, 1000, 1000});
    EXPECT_EQ(fit_to_disk(options, disk).segment_bytes, 64 * mb);
}

}  // namespace
}  // namespace queue::segment_log
