#include "queue/segment_log/recovery/recovery.h"

#include <algorithm>
#include <array>
#include <set>

#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_scan.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

constexpr std::size_t body_offset = segment_header_bytes;
const std::string first_segment = "seg/0000000000000001.log";

void flip(FakeDisk& disk, const std::string& path, std::size_t bit) {
    auto bytes = disk.content(path);
    ASSERT_LT(bit / 8, bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    disk.put(path, bytes);
}

std::vector<std::string> in_folder(const FakeDisk& disk, const std::string& folder) {
    std::vector<std::string> paths;
    for (const auto& path : disk.files()) {
        if (path.starts_with(folder + "/")) paths.push_back(path);
    }
    return paths;
}

// Where the records of a segment begin, without the mark that each start leaves, and its end.
std::vector<std::size_t> record_offsets(const std::string& bytes) {
    const auto header = parse_header(bytes);
    std::vector<std::size_t> offsets;
    const auto scan = scan_segment(bytes, *header, 0,
                                   [&](std::uint64_t at, const Record&) { offsets.push_back(at); });
    offsets.push_back(scan.end);
    offsets.erase(offsets.begin());
    return offsets;
}

// A spool of three messages in three batches, the second finished in a fourth; as a kill leaves it.
struct SmallSpool {
    SmallSpool() {
        FakeDisk running;
        {
            Spool spool(running);
            for (int i = 0; i < 3; ++i) {
                ids.push_back(spool.store->allocate_id());
                EXPECT_TRUE(spool.enqueue(shared_message(ids.back(), "body " + std::to_string(i))));
            }
            spool.store->update(ids[0], make_states(2), {});
            spool.run();
            EXPECT_TRUE(spool.finish(ids[1]));
            disk = copy_of(running);
        }
    }
    std::unique_ptr<FakeDisk> disk;
    std::vector<MessageId> ids;
};

// What is there must be what was put there.
void expect_nothing_invented(Spool& spool, const SmallSpool& small) {
    for (const auto& [id, stored] : spool.load()) {
        const auto known = std::ranges::find(small.ids, id);
        ASSERT_NE(known, small.ids.end()) << "an invented message";
        const auto number = known - small.ids.begin();
        const auto whole = spool.read(id);
        ASSERT_TRUE(whole);
        expect_equal(*whole->message, make_message(id, "body " + std::to_string(number)));
    }
}

TEST(Recovery, a_cut_at_every_byte_keeps_what_was_whole_before_it) {
    const SmallSpool small;
    const auto bytes = small.disk->content(first_segment);
    const auto offsets = record_offsets(bytes);
    // batch enq | batch enq | batch enq | batch state | batch done
    ASSERT_EQ(offsets.size(), 11u);
    for (std::size_t cut = body_offset; cut <= offsets.back(); ++cut) {
        SCOPED_TRACE("cut at " + std::to_string(cut));
        const auto disk = copy_of(*small.disk);
        disk->put(first_segment, bytes.substr(0, cut));
        Spool spool(*disk);
        ASSERT_FALSE(spool.error);
        EXPECT_TRUE(spool.service->report().damages.empty());
        const auto whole = [&](std::size_t record) { return offsets[record + 1] <= cut; };
        std::set<MessageId> expected;
        if (whole(1)) expected.insert(small.ids[0]);
        if (whole(3) && !whole(9)) expected.insert(small.ids[1]);
        if (whole(5)) expected.insert(small.ids[2]);
        std::set<MessageId> found;
        auto messages = spool.load();
        for (const auto& [id, stored] : messages) found.insert(id);
        EXPECT_EQ(found, expected);
        if (whole(7)) {
            EXPECT_EQ(messages.at(small.ids[0]).states, make_states(2));
        }
        expect_nothing_invented(spool, small);
        EXPECT_GT(spool.store->allocate_id(), whole(5) ? small.ids[2] : 0);
    }
}

TEST(Recovery, a_flipped_bit_anywhere_costs_no_record_before_it_and_invents_none) {
    const SmallSpool small;
    const auto offsets = record_offsets(small.disk->content(first_segment));
    for (auto bit = body_offset * 8; bit < offsets.back() * 8; ++bit) {
        SCOPED_TRACE("bit " + std::to_string(bit));
        const auto disk = copy_of(*small.disk);
        flip(*disk, first_segment, bit);
        Spool spool(*disk);
        ASSERT_FALSE(spool.error);
        const auto messages = spool.load();
        expect_nothing_invented(spool, small);
        for (std::size_t i = 0; i < small.ids.size(); ++i) {
            const auto enqueue_end = offsets[2 * i + 2];
            const bool is_before = enqueue_end <= bit / 8;
            // Finished, and the DONE is unhurt: it may only be there if the damage hid its DONE.
            const bool is_done = i == 1;
            if (is_before && !is_done) {
                EXPECT_TRUE(messages.contains(small.ids[i])) << i;
            }
            if (is_done && bit / 8 < offsets[8]) {
                EXPECT_FALSE(messages.contains(small.ids[i])) << "a DONE behind damage counts";
            }
        }
    }
}

TEST(Recovery, damage_in_the_middle_is_kept_and_reported_and_what_follows_is_read) {
    const SmallSpool small;
    const auto offsets = record_offsets(small.disk->content(first_segment));
    // In the first ENQ: later batches say that it was certain.
    flip(*small.disk, first_segment, (offsets[1] + 40) * 8);
    const auto damaged = small.disk->content(first_segment);
    Spool spool(*small.disk);
    const auto& report = spool.service->report();
    ASSERT_EQ(report.damages.size(), 1u);
    EXPECT_EQ(report.damages[0].segment, 1u);
    EXPECT_EQ(report.damages[0].offset, offsets[1]);
    EXPECT_EQ(report.damages[0].bytes, offsets[2] - offsets[1]);
    EXPECT_FALSE(report.has_torn_tail);
    ASSERT_EQ(in_folder(*small.disk, "quarantine").size(), 1u);
    EXPECT_EQ("quarantine/0000000000000001-0000000000001090.bytes",
              report.damages[0].quarantine_path);
    EXPECT_EQ(small.disk->content(report.damages[0].quarantine_path),
              damaged.substr(offsets[1], offsets[2] - offsets[1]));
    const auto messages = spool.load();
    EXPECT_FALSE(messages.contains(small.ids[0]));
    EXPECT_TRUE(messages.contains(small.ids[2])) << "behind the damage";
}

// Rather tried once more than lost.
TEST(Recovery, a_damaged_state_leaves_its_message_with_the_last_good_one) {
    FakeDisk disk;
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
        for (const auto attempts : std::to_array<std::uint16_t>({2, 3})) {
            spool.store->update(id, make_states(attempts), {});
            spool.run();
        }
    }
    auto bytes = disk.content(first_segment);
    const auto newest = bytes.rfind("greylisted");
    bytes[newest] = 'G';
    disk.put(first_segment, bytes);
    {
        Spool spool(disk);
        EXPECT_EQ(spool.service->report().damages.size(), 1u);
        EXPECT_EQ(spool.load().at(id).states, make_states(2));
        EXPECT_TRUE(spool.read(id));
    }
    bytes[bytes.find("greylisted")] = 'G';
    disk.put(first_segment, bytes);
    Spool spool(disk);
    EXPECT_EQ(spool.service->report().damages.size(), 2u);
    const auto states = spool.load().at(id).states;
    ASSERT_EQ(states.size(), 2u);
    EXPECT_EQ(states[1].phase, RecipientPhase::pending);
    EXPECT_EQ(states[0].attempts, 0);
}

TEST(Recovery, a_torn_tail_is_no_damage) {
    const SmallSpool small;
    auto bytes = small.disk->content(first_segment);
    const auto offsets = record_offsets(bytes);
    flip(*small.disk, first_segment, (offsets[9] + 30) * 8);  // the last record
    Spool spool(*small.disk);
    const auto& report = spool.service->report();
    EXPECT_TRUE(report.damages.empty());
    EXPECT_TRUE(report.has_torn_tail);
    EXPECT_EQ(report.torn_tail_segment, 1u);
    EXPECT_EQ(report.torn_tail_offset, offsets[9]);
    EXPECT_TRUE(in_folder(*small.disk, "quarantine").empty());
}

// A tidy end leaves a mark: from then on everything in the segment is known to have been certain.
TEST(Recovery, after_a_tidy_end_a_bad_last_record_is_damage) {
    FakeDisk disk;
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
    }
    const auto offsets = record_offsets(disk.content(first_segment));
    flip(disk, first_segment, (offsets[1] + 30) * 8);
    Spool spool(disk);
    EXPECT_EQ(spool.service->report().damages.size(), 1u);
    EXPECT_FALSE(spool.service->report().has_torn_tail);
}

TEST(Recovery, a_second_start_does_not_trip_over_the_hole_of_the_first) {
    const SmallSpool small;
    auto bytes = small.disk->content(first_segment);
    const auto offsets = record_offsets(bytes);
    // The whole ENQ of batch three is a hole, and what was written behind it survived; no later
    // batch says that it was certain, since the cut came before.
    small.disk->put(first_segment, bytes.substr(0, offsets[5]) +
                                       std::string(offsets[6] - offsets[5], '\0') +
                                       bytes.substr(offsets[6], 72));
    auto* const disk = small.disk.get();
    std::set<MessageId> ids;
    {
        // That later BATCH does say so here, which makes it damage: not torn.
        Spool spool(*disk);
        EXPECT_EQ(spool.service->report().damages.size(), 1u);
        for (int i = 0; i < 3; ++i) {
            const auto id = spool.store->allocate_id();
            EXPECT_TRUE(spool.enqueue(shared_message(id, "later")));
            ids.insert(id);
        }
    }
    Spool spool(*disk);
    const auto messages = spool.load();
    for (const auto id : ids) EXPECT_TRUE(messages.contains(id));
}

TEST(Recovery, cuts_what_lies_behind_a_torn_tail_for_good) {
    // Messages 1 and 2 are certain; the batch with message 3 and 4 was cut: 3 is a hole, 4 made it.
    FakeDisk running;
    std::unique_ptr<FakeDisk> disk;
    std::vector<MessageId> ids;
    {
        Spool spool(running);
        for (int i = 0; i < 4; ++i) ids.push_back(spool.store->allocate_id());
        ASSERT_TRUE(spool.enqueue(shared_message(ids[0], "one")));
        ASSERT_TRUE(spool.enqueue(shared_message(ids[1], "two")));
        spool.store->enqueue(shared_message(ids[2], "three"), nullptr);
        spool.store->enqueue(shared_message(ids[3], "four"), nullptr);
        spool.run();
        disk = copy_of(running);
    }
    const auto offsets = record_offsets(disk->content(first_segment));
    flip(*disk, first_segment, (offsets[5] + 30) * 8);
    for (int start = 0; start < 3; ++start) {
        SCOPED_TRACE(start);
        Spool spool(*disk);
        EXPECT_TRUE(spool.service->report().damages.empty());
        const auto messages = spool.load();
        EXPECT_TRUE(messages.contains(ids[0]) && messages.contains(ids[1]));
        EXPECT_FALSE(messages.contains(ids[3])) << "behind the cut, and nobody was told of it";
        // Certain records with higher numbers must not make the old cut look like damage.
        EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "new")));
    }
    EXPECT_EQ(disk->content(first_segment).size(), offsets[5]);
}

TEST(Recovery, always_starts_a_new_segment) {
    const SmallSpool small;
    const auto before = small.disk->content(first_segment);
    const auto end = record_offsets(before).back();
    Spool spool(*small.disk);
    EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "new")));
    EXPECT_EQ(small.disk->content(first_segment), before.substr(0, end));
    const auto bytes = small.disk->content("seg/0000000000000002.log");
    const auto second = parse_header(bytes);
    ASSERT_TRUE(second);
    const auto first_record =
        parse_record(std::string_view(bytes).substr(body_offset), second->generation);
    ASSERT_TRUE(first_record);
    const auto batch = parse_batch(first_record->payload);
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->origin.previous, 1u);
    EXPECT_EQ(batch->origin.previous_end, end);
    EXPECT_EQ(batch->origin.first_lsn, first_record->lsn);
    EXPECT_NE(second->generation, parse_header(before)->generation);
}

TEST(Recovery, a_segment_with_an_unreadable_header_goes_to_quarantine_whole) {
    const SmallSpool small;
    const auto bytes = small.disk->content(first_segment);
    for (const std::size_t at : {16U, 40U, 4092U}) {
        const auto disk = copy_of(*small.disk);
        auto damaged = bytes;
        for (auto i = at; i < at + 4; ++i) damaged[i] = static_cast<char>(~damaged[i]);
        disk->put(first_segment, damaged);
        Spool spool(*disk);
        ASSERT_FALSE(spool.error);
        ASSERT_EQ(spool.service->report().damages.size(), 1u);
        EXPECT_EQ(spool.service->report().damages[0].quarantine_path,
                  "quarantine/0000000000000001.log");
        EXPECT_EQ(spool.service->report().damages[0].what,
                  "unreadable segment header; it seems to hold 2 messages that are not delivered "
                  "now");
        EXPECT_EQ(disk->content("quarantine/0000000000000001.log").size(), bytes.size());
        EXPECT_TRUE(spool.load().empty());
        EXPECT_FALSE(disk->content("seg/0000000000000002.log").empty())
            << "the number is not used again";
    }
}

TEST(Recovery, a_segment_by_a_wrong_name_or_of_another_spool_is_set_aside) {
    const SmallSpool small;
    const SmallSpool other;
    auto bytes = other.disk->content(first_segment);
    // Closed, as any segment before the last is.
    auto closed = small.disk->content(first_segment);
    closed.resize(record_offsets(closed).back());
    small.disk->put(first_segment, closed);
    small.disk->put("seg/0000000000000007.log", closed);
    auto header = *parse_header(bytes);
    header.spool[0] ^= 1;
    header.number = 0;
    small.disk->put("seg/0000000000000000.log", format_header(header));
    small.disk->put("seg/notes.txt", "hello");
    Spool spool(*small.disk);
    EXPECT_EQ(spool.service->report().damages.size(), 2u);
    EXPECT_EQ(spool.service->report().notes.size(), 1u);
    EXPECT_EQ(spool.load().size(), 2u);
    EXPECT_EQ(small.disk->content("seg/notes.txt"), "hello");
}

TEST(Recovery, a_message_that_lacks_a_part_of_its_body_is_kept_and_handed_over_as_damaged) {
    FakeDisk disk;
    MessageId id = 0;
    MessageId other = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        other = spool.store->allocate_id();
        spool.store->append_body(id, std::string(1000, 'a'), nullptr);
        spool.store->append_body(id, std::string(1000, 'b'), nullptr);
        ASSERT_TRUE(spool.enqueue(large_message(id, 2000)));
        ASSERT_TRUE(spool.enqueue(shared_message(other, "unhurt")));
    }
    const auto offsets = record_offsets(disk.content(first_segment));
    flip(disk, first_segment, (offsets[1] + 500) * 8);
    Spool spool(disk);
    const auto messages = spool.load();
    EXPECT_EQ(spool.damaged,
              (std::map<MessageId, std::string>{{id, "parts of its body are lost"}}));
    EXPECT_TRUE(messages.contains(id)) << "its sender is to be told";
    EXPECT_TRUE(messages.contains(other));
    const auto& damages = spool.service->report().damages;
    ASSERT_EQ(damages.size(), 2u);
    EXPECT_EQ(damages[1].what, "message " + format_id(id) + " lacks parts of its body");
    const auto kept = disk.content(damages[1].quarantine_path);
    EXPECT_NE(kept.find(std::string(1000, 'b')), kept.npos) << "what there is of it is kept";
    EXPECT_NE(kept.find("sender" + std::to_string(id)), kept.npos);
}

TEST(Recovery, pieces_of_a_body_that_never_became_a_message_are_dropped) {
    FakeDisk running;
    std::unique_ptr<FakeDisk> disk;
    {
        Spool spool(running);
        spool.store->append_body(spool.store->allocate_id(), std::string(9000, 'a'), nullptr);
        spool.run();
        ASSERT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "body")));
        disk = copy_of(running);
    }
    Spool spool(*disk);
    EXPECT_EQ(spool.service->report().unfinished_bodies, 1u);
    EXPECT_EQ(spool.load().size(), 1u);
    EXPECT_LT(spool.service->statistics().live_bytes, 1000u);
}

TEST(Recovery, a_mailed_copy_of_the_segment_is_not_taken_for_records) {
    FakeDisk disk;
    MessageId finished = 0;
    {
        Spool spool(disk);
        finished = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(finished, "a secret")));
        ASSERT_TRUE(spool.finish(finished));
        // An administrator mails the live segment, whose records are right in every respect.
        auto copy = disk.content(first_segment).substr(0, 6000);
        ASSERT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), copy)));
        ASSERT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "behind it")));
    }
    const auto offsets = record_offsets(disk.content(first_segment));
    const auto mailed = offsets[5];
    for (std::size_t shift = 0; shift < 8; ++shift) {
        const auto hurt = copy_of(disk);
        flip(*hurt, first_segment, (mailed + 8 + shift) * 8);
        Spool spool(*hurt);
        const auto messages = spool.load();
        EXPECT_FALSE(messages.contains(finished));
        EXPECT_EQ(messages.size(), 1u);
    }
}

TEST(Recovery, hands_over_what_is_due_first_first) {
    FakeDisk disk;
    std::vector<MessageId> ids;
    {
        Spool spool(disk);
        for (int i = 0; i < 3; ++i) {
            ids.push_back(spool.store->allocate_id());
            ASSERT_TRUE(spool.enqueue(shared_message(ids.back(), "body")));
        }
        auto later = make_states(1);
        later[0].next_due = mta::from_unix_ms(1'900'000'000'000);
        spool.store->update(ids[0], later, {});
        spool.run();
    }
    Spool spool(disk);
    std::vector<MessageId> order;
    spool.store->load([&](const std::vector<QueuedMessage>& batch, bool) {
        for (const auto& queued : batch) order.push_back(queued.id);
    });
    spool.run();
    EXPECT_EQ(order, (std::vector<MessageId>{ids[1], ids[2], ids[0]}));
}

TEST(Recovery, ids_are_never_given_twice) {
    FakeDisk running;
    std::unique_ptr<FakeDisk> disk;
    MessageId last = 0;
    {
        Spool spool(running);
        ASSERT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "body")));
        for (int i = 0; i < 1000; ++i) last = spool.store->allocate_id();
        disk = copy_of(running);
    }
    {
        Spool killed(*disk);
        EXPECT_GT(killed.store->allocate_id(), last);
    }
    Spool tidy(running);
    EXPECT_EQ(tidy.store->allocate_id(), last + 1) << "a tidy end wastes none";
}

TEST(Spool, a_second_one_on_the_same_folder_is_refused) {
    FakeDisk disk;
    const Spool first(disk);
    const Spool second(disk);
    ASSERT_TRUE(second.error);
    EXPECT_EQ(second.error->kind, StoreError::Kind::broken);
    EXPECT_NE(second.error->text.find("/fake/spool is served by another posthouse"),
              std::string::npos)
        << second.error->text;
}

TEST(Spool, of_a_newer_format_is_refused_and_left_alone) {
    const SmallSpool small;
    auto version = small.disk->content("VERSION");
    EXPECT_TRUE(version.starts_with("posthouse spool 3\nuuid ")) << version;
    version.replace(16, 1, "4");
    small.disk->put("VERSION", version);
    const auto before = small.disk->content(first_segment);
    const Spool spool(*small.disk);
    ASSERT_TRUE(spool.error);
    EXPECT_NE(spool.error->text.find("has format 4"), std::string::npos) << spool.error->text;
    EXPECT_EQ(small.disk->content(first_segment), before);
    EXPECT_EQ(in_folder(*small.disk, "seg").size(), 1u);
}

TEST(Spool, with_a_segment_of_a_newer_format_is_refused) {
    const SmallSpool small;
    auto header = *parse_header(small.disk->content(first_segment));
    header.version = 4;
    header.number = 9;
    small.disk->put("seg/0000000000000009.log", format_header(header));
    const Spool spool(*small.disk);
    ASSERT_TRUE(spool.error);
    EXPECT_NE(spool.error->text.find("has format 4"), std::string::npos) << spool.error->text;
    EXPECT_EQ(in_folder(*small.disk, "quarantine").size(), 0u);
}

TEST(Spool, a_lost_or_unreadable_version_file_is_made_again) {
    const SmallSpool small;
    const auto version = small.disk->content("VERSION");
    for (const std::string text : {"", "posthouse spool", "posthouse spool 1\n", "nonsense"}) {
        const auto disk = copy_of(*small.disk);
        disk->put("VERSION", text);
        Spool spool(*disk);
        ASSERT_FALSE(spool.error) << text;
        EXPECT_EQ(spool.load().size(), 2u);
        EXPECT_EQ(disk->content("VERSION"), version);
        EXPECT_FALSE(spool.service->report().notes.empty());
    }
}

}  // namespace
}  // namespace queue::segment_log
