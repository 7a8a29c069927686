#include "queue/segment_log/segments/housekeeping.h"

#include <cerrno>
#include <optional>

#include "queue/segment_log/disk/digest_file.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/log_store.h"
#include "queue/segment_log/segments/segment_uses.h"
#include "queue/segment_log/segments/segment_writer.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

std::vector<std::string> names_of(const std::vector<FakeDisk::Event>& events, std::size_t from) {
    std::vector<std::string> names;
    for (auto i = from; i < events.size(); ++i) names.push_back(events[i].what);
    return names;
}

// A spool of several closed segments, tidily ended: each has its digest.
struct ClosedSpool {
    ClosedSpool() {
        Spool spool(disk);
        for (int i = 0; i < 300; ++i) {
            ids.push_back(spool.store->allocate_id());
            EXPECT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(1500, 'x'))));
            if (i % 3 == 0) spool.store->update(ids.back(), make_states(2), {});
        }
        const auto large = spool.store->allocate_id();
        spool.store->append_body(large, std::string(50'000, 'y'), nullptr);
        spool.store->append_body(large, std::string(50'000, 'z'), nullptr);
        EXPECT_TRUE(spool.enqueue(large_message(large, 100'000)));
        ids.push_back(large);
    }
    [[nodiscard]] std::vector<std::string> digests() const {
        std::vector<std::string> paths;
        for (const auto& path : disk.files())
            if (path.ends_with(".idx")) paths.push_back(path);
        return paths;
    }

    FakeDisk disk;
    std::vector<MessageId> ids;
};

std::size_t loaded_from(FakeDisk& disk) {
    Spool spool(disk);
    EXPECT_FALSE(spool.error);
    EXPECT_TRUE(spool.service->report().damages.empty());
    return spool.load().size();
}

TEST(Housekeeping, a_commit_is_one_write_and_one_sync_wherever_it_falls) {
    FakeDisk disk;
    Spool spool(disk);
    spool.run();
    std::size_t segments_before = spool.service->statistics().segments;
    std::size_t switches = 0;
    for (int i = 0; i < 400; ++i) {
        const auto id = spool.store->allocate_id();
        spool.store->enqueue(shared_message(id, std::string(1500, 'x')), nullptr);
        const auto before = disk.events().size();
        ASSERT_TRUE(spool.service->step());
        const auto did = names_of(disk.events(), before);
        // The first segment was begun in a hurry, and grows ahead of what is written to it.
        const bool is_first = spool.service->statistics().segments == 1;
        if (!is_first) {
            EXPECT_EQ(did, (std::vector<std::string>{"write", "sync"})) << "message " << i;
        }
        switches += spool.service->statistics().segments - segments_before;
        segments_before = spool.service->statistics().segments;
        spool.run();
    }
    EXPECT_GT(switches, 5u);
}

TEST(Housekeeping, a_segment_made_ready_and_not_used_is_used_after_the_next_start) {
    FakeDisk disk;
    {
        Spool spool(disk);
        for (int i = 0; i < 20; ++i) {  // more than half of the first segment
            ASSERT_TRUE(
                spool.enqueue(shared_message(spool.store->allocate_id(), std::string(1700, 'x'))));
        }
    }
    EXPECT_FALSE(disk.content("seg/0000000000000002.log").empty());
    Spool spool(disk);
    EXPECT_TRUE(disk.content("seg/0000000000000002.log").empty());
    EXPECT_EQ(disk.content("seg/0000000000000003.log").size(), small_options().segment_bytes);
    EXPECT_EQ(spool.load().size(), 20u);
}

TEST(Housekeeping, a_segment_made_ready_that_cannot_be_put_in_its_place_stops_the_start) {
    FakeDisk running;
    std::unique_ptr<FakeDisk> killed;
    {
        Spool spool(running);
        for (int i = 0; i < 20; ++i) {
            ASSERT_TRUE(
                spool.enqueue(shared_message(spool.store->allocate_id(), std::string(1700, 'x'))));
        }
        killed = copy_of(running);
    }
    const auto trial = copy_of(*killed);
    EXPECT_FALSE(Spool(*trial).error);
    const auto events = trial->events();
    const auto moved = std::ranges::find(events, "rename", &FakeDisk::Event::what);
    ASSERT_NE(moved, events.end());
    const auto call = static_cast<std::uint64_t>(moved - events.begin());
    for (const std::string what : {"rename", "sync_directory", "sync_directory"}) {
        const auto disk = copy_of(*killed);
        const auto offset = static_cast<std::uint64_t>(disk->calls());
        disk->fail_at(offset + call, EIO);
        const Spool spool(*disk);
        ASSERT_TRUE(spool.error) << what;
        EXPECT_NE(spool.error->text.find("error 5"), std::string::npos) << spool.error->text;
    }
}

TEST(Housekeeping, a_disk_without_room_for_a_ready_segment_is_no_trouble_yet) {
    FakeDisk disk;
    Spool spool(disk);
    std::vector<MessageId> ids;
    for (int i = 0; i < 20; ++i) {
        ids.push_back(spool.store->allocate_id());
        spool.store->enqueue(shared_message(ids.back(), std::string(1700, 'x')), nullptr);
        while (spool.service->statistics().batches < static_cast<std::uint64_t>(i) + 2 &&
               spool.service->step()) {
        }
    }
    disk.fail_at(disk.calls() + 1, ENOSPC);  // its first zeros
    spool.run();
    EXPECT_EQ(spool.fatal, "");
    EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "more")));
}

TEST(Housekeeping, fills_no_segment_when_the_end_is_near) {
    FakeDisk disk;
    const auto options = small_options();
    Housekeeping housekeeping(disk, options, {});
    housekeeping.want_ready();
    housekeeping.hurry();
    while (housekeeping.step()) {
    }
    EXPECT_TRUE(disk.files().empty());
}

TEST(Housekeeping, moves_no_segment_away_in_which_somebody_reads) {
    FakeDisk disk;
    const auto options = small_options();
    Housekeeping housekeeping(disk, options, {});
    SegmentFiles files(disk);
    SegmentUses uses(options, files, housekeeping);
    SegmentWriter writer(Stream::hot, options, housekeeping, uses);
    ASSERT_TRUE(writer.start_next(1));
    ASSERT_TRUE(writer.append(std::string(50'000, 'x')));
    ASSERT_TRUE(writer.start_next(2));
    auto reading = files.find(1);
    ASSERT_TRUE(reading);
    EXPECT_TRUE(uses.recycle().empty());
    while (housekeeping.step()) {
    }
    EXPECT_TRUE(uses.recycle().empty());
    EXPECT_TRUE(reading->read(0, 10));
    EXPECT_FALSE(disk.content("seg/0000000000000001.log").empty());
    reading.reset();
    EXPECT_TRUE(uses.recycle().empty()) << "housekeeping has yet to move it";
    while (housekeeping.step()) {
    }
    EXPECT_EQ(uses.recycle(), std::vector<std::uint64_t>{1});
    EXPECT_TRUE(disk.content("seg/0000000000000001.log").empty());
}

TEST(Digest, is_made_for_closed_segments_and_read_in_their_stead) {
    ClosedSpool closed;
    ASSERT_GT(closed.digests().size(), 4u);
    // Damage that is not read is not found.
    auto bytes = closed.disk.content("seg/0000000000000001.log");
    bytes[20'000] = static_cast<char>(bytes[20'000] ^ 1);
    closed.disk.put("seg/0000000000000001.log", bytes);
    {
        Spool spool(closed.disk);
        EXPECT_TRUE(spool.service->report().damages.empty());
    }
    closed.disk.erase("seg/0000000000000001.idx");
    Spool spool(closed.disk);
    ASSERT_EQ(spool.service->report().damages.size(), 1u);
    EXPECT_EQ(spool.service->report().damages[0].segment, 1u);
    EXPECT_TRUE(closed.disk.content("seg/0000000000000001.idx").empty())
        << "damage is told at each start until somebody has seen to it";
}

// The start does not meet the damage, a read does: what the digest says of the recipients counts.
TEST(Digest, tells_what_a_damaged_state_said) {
    FakeDisk disk;
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
        spool.store->update(id, make_states(2), {});
        for (int i = 0; i < 8; ++i) {
            ASSERT_TRUE(
                spool.enqueue(shared_message(spool.store->allocate_id(), std::string(9000, 'x'))));
        }
    }
    const std::string path = "seg/0000000000000001.log";
    ASSERT_FALSE(disk.content("seg/0000000000000001.idx").empty());
    auto bytes = disk.content(path);
    bytes[bytes.find("greylisted")] = 'G';
    disk.put(path, bytes);
    Spool spool(disk);
    std::vector<QueuedMessage> all;
    spool.store->load([&](auto batch, bool) { std::ranges::move(batch, std::back_inserter(all)); });
    spool.run();
    const auto queued = std::ranges::find(all, id, &QueuedMessage::id);
    ASSERT_NE(queued, all.end());
    EXPECT_EQ(queued->recipients[0].state, make_states(2)[0]);
    EXPECT_TRUE(spool.read(id));
    EXPECT_EQ(spool.service->statistics().damaged_reads, 1u);
}

TEST(Digest, is_made_again_where_it_is_missing) {
    ClosedSpool closed;
    const auto before = closed.digests();
    const auto content = closed.disk.content(before[1]);
    for (const auto& path : before) closed.disk.erase(path);
    EXPECT_EQ(loaded_from(closed.disk), closed.ids.size());
    for (const auto& path : before) EXPECT_FALSE(closed.disk.content(path).empty()) << path;
    EXPECT_EQ(closed.disk.content(before[1]), content);
}

TEST(Digest, is_not_believed_when_any_bit_is_wrong) {
    ClosedSpool closed;
    const auto path = closed.digests()[1];
    const auto whole = closed.disk.content(path);
    for (std::size_t at = 0; at < whole.size(); at += at < Digest::head_bytes ? 1 : 97) {
        auto bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
        EXPECT_FALSE(Digest::parse(bytes)) << at;
        if (at % 13 != 0) continue;
        const auto disk = copy_of(closed.disk);
        disk->put(path, bytes);
        EXPECT_EQ(loaded_from(*disk), closed.ids.size()) << at;
    }
    for (std::size_t cut = 0; cut < whole.size(); cut += 1 + cut / 16) {
        EXPECT_FALSE(Digest::parse(whole.substr(0, cut))) << cut;
    }
}

TEST(Digest, of_another_life_of_the_segment_is_not_believed) {
    ClosedSpool closed;
    const auto header = parse_header(closed.disk.content("seg/0000000000000002.log"));
    ASSERT_TRUE(read_digest(closed.disk, *header));
    auto other = *header;
    other.generation.value ^= 1;
    EXPECT_FALSE(read_digest(closed.disk, other));
    EXPECT_FALSE(read_digest_head(closed.disk, other));
    other = *header;
    other.spool[3] ^= 1;
    EXPECT_FALSE(read_digest(closed.disk, other));
}

TEST(Digest, goes_with_its_segment) {
    FakeDisk disk;
    Spool spool(disk);
    for (int i = 0; i < 600; ++i) {
        const auto id = spool.store->allocate_id();
        spool.store->enqueue(shared_message(id, std::string(1500, 'x')), nullptr);
        if (i >= 300) spool.store->finish(id - 300, {}, nullptr);
        spool.run();
    }
    for (const auto& path : disk.files()) {
        if (!path.ends_with(".idx")) continue;
        EXPECT_FALSE(disk.content(path.substr(0, path.size() - 3) + "log").empty()) << path;
    }
    disk.put("seg/00000000000000ff.idx", "of a segment that is not there");
    const auto copy = copy_of(disk);
    const Spool next(*copy);
    EXPECT_TRUE(copy->content("seg/00000000000000ff.idx").empty());
}

TEST(OldMail, new_mail_is_certain_before_the_old_has_been_found) {
    ClosedSpool closed;
    Spool spool(closed.disk, small_options(), false);
    const auto id = spool.store->allocate_id();
    EXPECT_GT(id, closed.ids.back());
    std::optional<StoreResult<void>> result;
    spool.store->enqueue(shared_message(id, "new"), [&](auto answer) { result = answer; });
    ASSERT_TRUE(spool.service->step());
    spool.run_posted();
    ASSERT_TRUE(result && *result);
    EXPECT_FALSE(spool.service->statistics().is_loaded);
    EXPECT_EQ(spool.service->statistics().messages, 1u);
    EXPECT_EQ(spool.load().size(), closed.ids.size()) << "the new one is known already";
    EXPECT_TRUE(spool.service->statistics().is_loaded);
    EXPECT_EQ(spool.service->statistics().messages, closed.ids.size() + 1);
}

}  // namespace
}  // namespace queue::segment_log
