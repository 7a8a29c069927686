#include "queue/segment_log/reading/spool_scan.h"

#include <string>

#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/payload.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

// A segment that is written record by record.
class Segment {
public:
    Segment() : bytes(format_header(header)) {
        std::string payload;
        put_batch(payload, {});
        add(RecordType::batch, payload);
    }

    void add(RecordType type, const std::string& payload) {
        const auto begin = begin_record(bytes);
        bytes += payload;
        end_record(bytes, begin, header.generation, type, ++lsn);
    }
    void add_message(MessageId id, std::uint32_t crc_error = 0) {
        const auto message = make_message(id, "body");
        std::string payload;
        put_enqueue(payload, message, crc32c("body") ^ crc_error, {});
        add(RecordType::enqueue, payload);
    }
    void add_done(MessageId id) {
        std::string payload;
        put_done(payload, {.id = id, .home = header.number});
        add(RecordType::done, payload);
    }
    [[nodiscard]] SpoolScan scan(MessageId history_of = 0) const {
        return scan_for_view(bytes, {.header = header, .history_of = history_of});
    }

    SegmentHeader header{.spool = {}, .number = 5, .generation = {0x1122334455667788}};
    std::string bytes;
    std::uint64_t lsn = 0;
};

TEST(SpoolScan, finds_the_records_about_messages) {
    Segment segment;
    segment.add_message(1);
    segment.add_message(2);
    segment.add_done(1);
    const auto scan = segment.scan();
    ASSERT_EQ(scan.found.size(), 3u);
    EXPECT_EQ(scan.records, 4u);
    EXPECT_EQ(scan.found[1].id, 2u);
    EXPECT_EQ(scan.found[2].id, 1u);
    EXPECT_EQ(scan.found[2].type, RecordType::done);
    EXPECT_EQ(scan.found[2].lsn, 4u);
    EXPECT_TRUE(scan.history.empty());
    EXPECT_TRUE(scan.problems.empty());
    EXPECT_TRUE(scan.notes.empty());
}

TEST(SpoolScan, has_the_history_of_one_message_only) {
    Segment segment;
    segment.add_message(1);
    segment.add_message(2);
    segment.add_done(1);
    const auto scan = segment.scan(1);
    ASSERT_EQ(scan.history.size(), 2u);
    EXPECT_EQ(scan.history[0].type, RecordType::enqueue);
    EXPECT_EQ(scan.history[1].type, RecordType::done);
}

TEST(SpoolScan, reports_a_body_that_does_not_match_its_checksum_and_keeps_the_message) {
    Segment segment;
    segment.add_message(1, 1);
    const auto scan = segment.scan();
    EXPECT_EQ(scan.found.size(), 1u);
    EXPECT_EQ(scan.problems.size(), 1u);
}

TEST(SpoolScan, notes_a_record_of_a_later_version_and_passes_over_it) {
    Segment segment;
    segment.add(RecordType::done, "too short");
    segment.add_message(2);
    const auto scan = segment.scan();
    EXPECT_EQ(scan.found.size(), 1u);
    EXPECT_EQ(scan.notes.size(), 1u);
    EXPECT_TRUE(scan.problems.empty());
}

TEST(SpoolScan, calls_a_write_that_is_not_whole_no_damage) {
    Segment segment;
    segment.add_message(1);
    const auto whole = segment.bytes.size();
    segment.add_message(2);
    segment.bytes.resize(whole + 40);
    const auto scan = segment.scan();
    EXPECT_EQ(scan.found.size(), 1u);
    EXPECT_TRUE(scan.problems.empty());
    EXPECT_EQ(scan.notes.size(), 1u);
}

}  // namespace
}  // namespace queue::segment_log
