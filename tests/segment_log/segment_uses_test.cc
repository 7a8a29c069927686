#include "queue/segment_log/segments/segment_uses.h"

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

using Numbers = std::vector<std::uint64_t>;

// Segments of 64 KiB, all closed and full unless a test says otherwise; housekeeping has all the
// time that it needs.
struct UsesWorld {
    explicit UsesWorld(std::uint64_t count) {
        EXPECT_TRUE(disk.make_directory("seg"));
        EXPECT_TRUE(disk.make_directory("free"));
        for (std::uint64_t number = 1; number <= count; ++number) {
            EXPECT_TRUE(disk.create(segment_path(number)));
            uses.adopt({number, Generation{number << 32 | 1}, options.segment_bytes,
                        options.segment_bytes});
        }
    }
    Numbers recycle() {
        auto gone = uses.recycle();
        while (housekeeping.step()) {
        }
        const auto more = uses.recycle();
        gone.insert(gone.end(), more.begin(), more.end());
        return gone;
    }

    FakeDisk disk;
    LogOptions options = small_options();
    Housekeeping housekeeping{disk, options, Uuid{}};
    SegmentFiles files{disk};
    SegmentUses uses{options, files, housekeeping};
};

TEST(SegmentUses, a_segment_goes_when_nothing_in_it_is_live) {
    UsesWorld world(2);
    world.uses.add_live({1, 100});
    world.uses.add_live({2, 100});
    EXPECT_EQ(world.recycle(), Numbers{});
    world.uses.drop_live({1, 60});
    EXPECT_EQ(world.recycle(), Numbers{});
    world.uses.drop_live({1, 40});
    EXPECT_EQ(world.recycle(), Numbers{1});
    EXPECT_FALSE(world.uses.contains(1));
    EXPECT_EQ(world.uses.count(), 1u);
    EXPECT_EQ(world.uses.bytes(), world.options.segment_bytes);
    EXPECT_EQ(world.uses.live_bytes(), 100u);
    EXPECT_EQ(world.files.find(1), nullptr);
}

TEST(SegmentUses, nothing_goes_while_old_mail_is_being_loaded) {
    UsesWorld world(1);
    world.uses.hold_back(true);
    EXPECT_EQ(world.recycle(), Numbers{});
    world.uses.hold_back(false);
    EXPECT_EQ(world.recycle(), Numbers{1});
}

TEST(SegmentUses, the_segment_that_is_written_stays_until_it_is_closed) {
    UsesWorld world(0);
    EXPECT_TRUE(world.disk.create(segment_path(1)));
    world.uses.open({1, Generation{}, segment_header_bytes, segment_header_bytes});
    EXPECT_EQ(world.recycle(), Numbers{});
    world.uses.close(1);
    EXPECT_EQ(world.recycle(), Numbers{1});
}

TEST(SegmentUses, a_segment_stays_while_somebody_reads_in_it) {
    UsesWorld world(1);
    auto reader = world.files.find(1);
    EXPECT_EQ(world.recycle(), Numbers{});
    EXPECT_NE(world.files.find(1), nullptr);
    reader.reset();
    EXPECT_EQ(world.recycle(), Numbers{1});
}

TEST(SegmentUses, a_done_outlives_the_home_of_its_message) {
    UsesWorld world(3);
    world.uses.add_live({1, 100});
    world.uses.add_live({3, 100});
    for (MessageId id = 1; id <= 1000; ++id) world.uses.add_done(2, {.id = id, .home = 1});
    // Segment 2 is full of DONEs: they are not worth writing again.
    EXPECT_EQ(world.recycle(), Numbers{});
    EXPECT_TRUE(world.uses.dones_to_carry().empty());
    world.uses.drop_live({1, 100});
    EXPECT_EQ(world.recycle(), Numbers{1});
    EXPECT_EQ(world.recycle(), Numbers{2});
}

TEST(SegmentUses, a_few_dones_are_carried_before_their_segment_goes) {
    UsesWorld world(3);
    world.uses.add_live({1, 100});
    world.uses.add_live({3, 100});
    world.uses.add_done(2, {.id = 7, .home = 1});
    EXPECT_EQ(world.recycle(), Numbers{});
    ASSERT_EQ(world.uses.dones_to_carry().size(), 1u);
    EXPECT_EQ(world.uses.dones_to_carry()[0].id, 7u);
    EXPECT_EQ(world.uses.dones_to_carry()[0].home, 1u);
    EXPECT_EQ(world.recycle(), Numbers{});  // not certain yet
    world.uses.add_done(3, {.id = 7, .home = 1});
    world.uses.carried();
    EXPECT_TRUE(world.uses.dones_to_carry().empty());
    EXPECT_EQ(world.recycle(), Numbers{2});
}

TEST(SegmentUses, a_done_in_its_messages_own_segment_keeps_nothing) {
    UsesWorld world(1);
    world.uses.add_done(1, {.id = 7, .home = 1});
    world.uses.add_done(1, {.id = 8, .home = 99});
    EXPECT_EQ(world.recycle(), Numbers{1});
}

TEST(SegmentUses, what_cannot_be_moved_away_stays) {
    UsesWorld world(1);
    world.disk.refuse_to_move(segment_path(1));
    EXPECT_EQ(world.recycle(), Numbers{});
    EXPECT_TRUE(world.uses.contains(1));
    EXPECT_EQ(world.recycle(), Numbers{});
}

TEST(SegmentUses, compaction_takes_the_emptiest_segment_that_is_not_young) {
    UsesWorld world(20);
    EXPECT_TRUE(world.disk.create(segment_path(21)));
    world.uses.open({21, Generation{}, segment_header_bytes, segment_header_bytes});
    const auto bytes = world.options.segment_bytes;
    for (std::uint64_t number = 1; number <= 20; ++number) world.uses.add_live({number, bytes});
    EXPECT_EQ(world.uses.choose_victim(0), std::nullopt);
    world.uses.drop_live({19, bytes - 1});  // young
    world.uses.drop_live({5, bytes / 10 * 9});
    world.uses.drop_live({6, bytes / 10 * 8});
    const auto victim = world.uses.choose_victim(0);
    ASSERT_TRUE(victim);
    EXPECT_EQ(victim->number, 5u);
    EXPECT_EQ(victim->end, bytes);
    // What could not be copied is not tried again.
    EXPECT_EQ(world.uses.mark_compacted(5), victim->live_bytes);
    EXPECT_EQ(world.uses.choose_victim(0)->number, 6u);
}

TEST(SegmentUses, where_room_is_scarce_compaction_takes_what_is_a_quarter_dead) {
    UsesWorld world(2);
    const auto bytes = world.options.segment_bytes;
    world.uses.add_live({1, bytes / 2});
    world.uses.add_live({2, bytes});
    EXPECT_EQ(world.uses.choose_victim(0), std::nullopt);
    EXPECT_EQ(world.uses.choose_victim(bytes / 2), std::nullopt);  // the copy would take too much
    ASSERT_TRUE(world.uses.choose_victim(bytes));
    EXPECT_EQ(world.uses.choose_victim(bytes)->number, 1u);
}

}  // namespace
}  // namespace queue::segment_log
