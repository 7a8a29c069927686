#include "queue/segment_log/segments/segment_writer.h"

#include <cerrno>

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

struct WriterWorld {
    WriterWorld() {
        EXPECT_TRUE(disk.make_directory("seg"));
        EXPECT_TRUE(disk.make_directory("free"));
    }
    [[nodiscard]] std::string content() { return disk.content(segment_path(writer.number())); }

    FakeDisk disk;
    LogOptions options = small_options();
    Housekeeping housekeeping{disk, options, Uuid{}};
    SegmentFiles files{disk};
    SegmentUses uses{options, files, housekeeping};
    SegmentWriter writer{Stream::hot, options, housekeeping, uses};
};

TEST(SegmentWriter, appends_behind_the_header_and_is_certain_after_a_sync) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    EXPECT_TRUE(world.writer.is_fresh());
    EXPECT_TRUE(world.writer.is_synced());
    ASSERT_TRUE(world.writer.append("one"));
    ASSERT_TRUE(world.writer.append("two"));
    EXPECT_TRUE(world.writer.holds_unsynced());
    EXPECT_EQ(world.writer.end(), segment_header_bytes + 6);
    EXPECT_EQ(world.content().substr(segment_header_bytes, 6), "onetwo");
    ASSERT_TRUE(world.writer.sync());
    EXPECT_FALSE(world.writer.holds_unsynced());
    const auto after = world.disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
    EXPECT_EQ(after->content(segment_path(1)).substr(segment_header_bytes, 6), "onetwo");
}

TEST(SegmentWriter, syncs_a_segment_before_it_begins_the_next_which_says_where_it_ended) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    ASSERT_TRUE(world.writer.append("records"));
    const auto first = world.writer.number();
    const auto end = world.writer.end();
    ASSERT_TRUE(world.writer.start_next(9));
    EXPECT_NE(world.writer.number(), first);
    EXPECT_EQ(world.writer.origin(),
              (SegmentOrigin{
                  .stream = Stream::hot, .first_lsn = 9, .previous = first, .previous_end = end}));
    const auto after = world.disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
    EXPECT_EQ(after->content(segment_path(first)).substr(segment_header_bytes, 7), "records");
}

TEST(SegmentWriter, writes_zeros_ahead_unless_room_is_short) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    ASSERT_TRUE(world.writer.append("x"));
    EXPECT_EQ(world.content().size(), segment_header_bytes + 1 + world.options.zero_ahead_bytes);
    ASSERT_TRUE(world.writer.start_next(2));
    world.writer.save_room(true);
    ASSERT_TRUE(world.writer.append("x"));
    EXPECT_EQ(world.content().size(), segment_header_bytes + 1);
}

TEST(SegmentWriter, gives_back_what_lies_behind_the_end_when_room_is_short) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    ASSERT_TRUE(world.writer.append("x"));
    world.writer.save_room(true);
    const auto first = world.writer.number();
    ASSERT_TRUE(world.writer.start_next(2));
    EXPECT_EQ(world.disk.content(segment_path(first)).size(), segment_header_bytes + 1);
}

TEST(SegmentWriter, an_append_finds_the_room_that_was_reserved) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    ASSERT_TRUE(world.writer.reserve(10'000));
    world.disk.set_capacity(world.disk.used_bytes());
    EXPECT_TRUE(world.writer.append(std::string(10'000, 'x')));
}

TEST(SegmentWriter, a_reservation_that_finds_no_room_says_so) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    world.disk.set_capacity(world.disk.used_bytes() + 5'000);
    const auto reserved = world.writer.reserve(10'000);
    ASSERT_FALSE(reserved);
    EXPECT_TRUE(reserved.error().is_no_space());
    EXPECT_TRUE(world.writer.reserve(4'000));
}

TEST(SegmentWriter, cut_removes_what_a_failed_append_has_left) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    ASSERT_TRUE(world.writer.append("kept"));
    world.disk.fail_at(world.disk.calls(), EIO);
    EXPECT_FALSE(world.writer.append("half of this is written"));
    ASSERT_TRUE(world.writer.cut());
    EXPECT_EQ(world.content().size(), segment_header_bytes + 4);
    EXPECT_TRUE(world.writer.is_synced());
}

TEST(SegmentWriter, remembers_that_a_sync_has_failed) {
    WriterWorld world;
    ASSERT_TRUE(world.writer.start_next(1));
    ASSERT_TRUE(world.writer.append("x"));
    world.disk.fail_at(world.disk.calls(), EIO);
    EXPECT_FALSE(world.writer.sync());
    EXPECT_TRUE(world.writer.has_sync_failed());
    EXPECT_TRUE(world.writer.holds_unsynced());
}

}  // namespace
}  // namespace queue::segment_log
