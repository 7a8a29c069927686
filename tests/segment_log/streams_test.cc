#include "queue/segment_log/writing/streams.h"

#include <cerrno>

#include "queue/segment_log/format/segment_scan.h"
#include "tests/segment_log/writing_world.h"

namespace queue::segment_log {
namespace {

// The BATCH records of a stream's open segment.
std::vector<BatchPayload> batches_in(WritingWorld& world, Stream stream) {
    const auto& writer = world.streams.at(stream);
    const SegmentHeader header{.number = writer.number(), .generation = writer.generation()};
    std::vector<BatchPayload> batches;
    const auto bytes = world.disk.content(segment_path(writer.number()));
    [[maybe_unused]] const auto scan =
        scan_segment(bytes, header, writer.end(), [&](std::uint64_t, const Record& record) {
            if (record.type == RecordType::batch) {
                batches.push_back(parse_batch(record.payload).value());
            }
        });
    return batches;
}

TEST(Streams, have_one_row_of_lsns) {
    WritingWorld world;
    EXPECT_EQ(world.streams.next_lsn(), 1u);
    world.write(Enqueue{shared_message(7, "body")});  // a BATCH and an ENQ
    EXPECT_EQ(world.streams.next_lsn(), 3u);
    ASSERT_TRUE(world.streams.write_mark(Stream::cold, world.batch(Stream::cold), 200));
    EXPECT_EQ(world.streams.next_lsn(), 4u);
}

TEST(Streams, sync_a_batch_that_somebody_waits_for_and_no_other) {
    WritingWorld world;
    world.write(Enqueue{shared_message(7, "body")});
    EXPECT_EQ(world.streams.syncs(), 1u);
    world.write(Update{.id = 7, .states = make_states(1), .reports = {}});
    EXPECT_EQ(world.streams.batches(), 2u);
    EXPECT_EQ(world.streams.syncs(), 1u);
    EXPECT_TRUE(world.streams.is_sync_due());
    ASSERT_TRUE(world.streams.sync(Stream::hot));
    EXPECT_FALSE(world.streams.is_sync_due());
}

TEST(Streams, each_batch_says_what_was_certain_before_it) {
    WritingWorld world;
    world.write(Enqueue{shared_message(7, "body")});
    world.write(Update{.id = 7, .states = make_states(1), .reports = {}});
    world.write(Update{.id = 7, .states = make_states(2), .reports = {}});
    const auto batches = batches_in(world, Stream::hot);
    ASSERT_EQ(batches.size(), 3u);
    EXPECT_EQ(batches[0].durable_lsn, 0u);
    EXPECT_EQ(batches[1].durable_lsn, 2u);
    EXPECT_EQ(batches[2].durable_lsn, 2u);  // the one before was not synced
}

TEST(Streams, a_mark_says_that_everything_before_it_is_certain_and_which_ids_are_free) {
    WritingWorld world;
    world.write(Enqueue{shared_message(7, "body")});
    world.write(Update{.id = 7, .states = make_states(1), .reports = {}});
    ASSERT_TRUE(world.streams.write_mark(Stream::hot, world.batch(), 123));
    const auto batches = batches_in(world, Stream::hot);
    ASSERT_EQ(batches.size(), 3u);
    EXPECT_EQ(batches.back().count, 0u);
    EXPECT_EQ(batches.back().durable_lsn, 4u);
    EXPECT_EQ(batches.back().id_ceiling, 123u);
    EXPECT_FALSE(world.streams.hot().holds_unsynced());
}

TEST(Streams, reserve_ids_ahead_of_those_that_are_given_away) {
    WritingWorld world;
    EXPECT_GT(world.streams.id_ceiling(), world.next_id + 1000);
}

TEST(Streams, remember_a_failed_sync_of_either) {
    WritingWorld world;
    world.disk.fail_at(world.disk.calls(), EIO);
    EXPECT_FALSE(world.streams.sync(Stream::cold));
    EXPECT_TRUE(world.streams.has_sync_failed());
}

}  // namespace
}  // namespace queue::segment_log
