// Starts on spools that no relay left like this: files of others, numbers out of any row, disks
// that fail, and damage that must be reported.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <set>

#include "queue/bytes.h"
#include "queue/segment_log/disk/posix_disk.h"
#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/format/segment_scan.h"
#include "queue/segment_log/reading/spool_view.h"
#include "queue/segment_log/recovery/recovery.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

const std::string first_segment = "seg/0000000000000001.log";

std::vector<std::string> in_folder(const FakeDisk& disk, const std::string& folder,
                                   const std::string& ending = "") {
    std::vector<std::string> paths;
    for (const auto& path : disk.files())
        if (path.starts_with(folder + "/") && path.ends_with(ending)) paths.push_back(path);
    return paths;
}

void flip(FakeDisk& disk, const std::string& path, std::size_t offset) {
    auto bytes = disk.content(path);
    ASSERT_LT(offset, bytes.size());
    bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
    disk.put(path, bytes);
}

struct FoundRecord {
    std::size_t offset = 0;
    std::size_t bytes = 0;
    RecordType type = RecordType::batch;
};
std::vector<FoundRecord> records_of(const std::string& bytes) {
    std::vector<FoundRecord> records;
    [[maybe_unused]] const auto scan =
        scan_segment(bytes, *parse_header(bytes), 0, [&](std::uint64_t at, const Record& record) {
            records.push_back({at, record.bytes(), record.type});
        });
    return records;
}
FoundRecord last_of(const std::string& bytes, RecordType type) {
    FoundRecord last;
    for (const auto& record : records_of(bytes))
        if (record.type == type) last = record;
    return last;
}

std::optional<SegmentOrigin> origin_of(const std::string& bytes) {
    return scan_segment(bytes, *parse_header(bytes), 0, [](auto, const auto&) {}).origin;
}

// One more start, with one message, as a kill leaves it.
std::unique_ptr<FakeDisk> after_a_life(FakeDisk& disk, MessageId& id) {
    Spool spool(disk);
    EXPECT_FALSE(spool.error);
    id = spool.store->allocate_id();
    EXPECT_TRUE(spool.enqueue(shared_message(id, "body of " + std::to_string(id))));
    return copy_of(disk);
}

// Three lives with a message each, killed: segments 1, 2 and 3, without digests.
struct ThreeLives {
    ThreeLives() {
        disk = std::make_unique<FakeDisk>();
        for (auto& id : ids) disk = after_a_life(*disk, id);
        for (const auto& path : in_folder(*disk, "seg", ".idx")) disk->erase(path);
    }
    std::unique_ptr<FakeDisk> disk;
    std::array<MessageId, 3> ids{};
};

// A segment gets its digest at the second start behind it: at the first one it was the last.
void leave_digests(FakeDisk& disk) {
    for (int start = 0; start < 2; ++start) const Spool spool(disk);
}

std::string stranger(const FakeDisk& disk, std::uint64_t number) {
    auto header = *parse_header(disk.content(first_segment));
    header.spool[0] ^= 1;
    header.number = number;
    return format_header(header) + std::string(4096, '\0');
}

TEST(StrangeSpool, files_with_numbers_that_no_segment_has_stop_nothing_and_use_up_no_numbers) {
    for (const auto* folder : {"seg/", "quarantine/"}) {
        for (const auto* name : {"0000000000000000", "ffffffffffffffff", "0000000100000000",
                                 "00000000ffffffff", "7fffffffffffffff", "00000000fffffff0"}) {
            SCOPED_TRACE(std::string(folder) + name);
            ThreeLives lives;
            lives.disk->put(std::string(folder) + name + ".log", "");
            Spool spool(*lives.disk);
            ASSERT_FALSE(spool.error) << spool.error->text;
            EXPECT_EQ(spool.load().size(), 3u);
            const auto id = spool.store->allocate_id();
            EXPECT_TRUE(spool.enqueue(shared_message(id, "new")));
            EXPECT_FALSE(lives.disk->content("seg/0000000000000004.log").empty());
            EXPECT_EQ(spool.service->report().damages.size(), folder[0] == 's' ? 1u : 0u);
        }
    }
}

TEST(StrangeSpool, a_segment_of_this_spool_with_a_number_that_no_segment_has_is_not_believed) {
    for (const auto number : {std::uint64_t{0}, segment_number_max + 1, UINT64_MAX}) {
        SCOPED_TRACE(number);
        ThreeLives lives;
        auto bytes = lives.disk->content(first_segment);
        auto header = *parse_header(bytes);
        header.number = number;
        bytes.replace(0, segment_header_bytes, format_header(header));
        lives.disk->erase(first_segment);
        lives.disk->put(segment_path(number), bytes);
        const auto view = SpoolView::open(*lives.disk, {});
        ASSERT_TRUE(view);
        EXPECT_EQ((*view)->messages(true).size(), 2u);
        EXPECT_EQ((*view)->problems().size(), 1u);
        Spool spool(*lives.disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        EXPECT_EQ(spool.load().size(), 2u);
        EXPECT_EQ(lives.disk->content("quarantine/" + segment_file_name(number)), bytes);
    }
}

TEST(StrangeSpool, two_damaged_segments_by_one_name_are_both_kept) {
    ThreeLives lives;
    lives.disk->put("quarantine/0000000000000002.log", "an earlier one");
    for (const auto offset : {16U, 40U}) flip(*lives.disk, "seg/0000000000000002.log", offset);
    Spool spool(*lives.disk);
    EXPECT_EQ(lives.disk->content("quarantine/0000000000000002.log"), "an earlier one");
    EXPECT_FALSE(lives.disk->content("quarantine/0000000000000002.log.2").empty());
    EXPECT_EQ(spool.load().size(), 2u);
}

TEST(StrangeSpool, a_flipped_bit_in_a_segment_header_costs_no_mail) {
    for (const bool has_digests : {false, true}) {
        for (const std::size_t offset : {0U, 9U, 20U, 35U, 44U, 100U, 3000U, 4093U}) {
            for (int segment = 1; segment <= 3; ++segment) {
                SCOPED_TRACE(std::to_string(offset) + " of " + std::to_string(segment));
                ThreeLives lives;
                if (has_digests) leave_digests(*lives.disk);
                const auto path = segment_path(static_cast<std::uint64_t>(segment));
                flip(*lives.disk, path, offset);
                const auto view = SpoolView::open(*lives.disk, {});
                ASSERT_TRUE(view);
                EXPECT_EQ((*view)->messages(true).size(), 3u);
                EXPECT_EQ((*view)->problems().size(), 1u);
                Spool spool(*lives.disk);
                ASSERT_FALSE(spool.error);
                EXPECT_EQ(spool.load().size(), 3u);
                ASSERT_EQ(spool.service->report().damages.size(), 1u);
                EXPECT_EQ(spool.service->report().damages[0].quarantine_path, "");
                for (const auto id : lives.ids) EXPECT_TRUE(spool.read(id));
            }
        }
    }
}

TEST(StrangeSpool, numbers_that_are_used_up_are_an_error_in_words) {
    ThreeLives lives;
    auto header = *parse_header(lives.disk->content(first_segment));
    header.number = segment_number_max;
    lives.disk->put(segment_path(segment_number_max), format_header(header));
    auto bytes = lives.disk->content("seg/0000000000000003.log");
    const auto tail = *parse_header(bytes);
    const auto end = records_of(bytes).back();
    bytes.resize(end.offset + end.bytes);
    const auto at = begin_record(bytes);
    put_batch(bytes, {.count = 0,
                      .durable_lsn = 1,
                      .id_ceiling = id_ceiling_max,
                      .origin = *origin_of(lives.disk->content("seg/0000000000000003.log"))});
    end_record(bytes, at, tail.generation, RecordType::batch, 1000);
    for (const bool has_high_number : {true, false}) {
        const auto disk = copy_of(*lives.disk);
        if (!has_high_number) {
            disk->erase(segment_path(segment_number_max));
            disk->put("seg/0000000000000003.log", bytes);
        } else {
            // With a record, so that it is no segment that was made ready and not used.
            auto used = format_header(header);
            const auto begin = begin_record(used);
            put_batch(used, {.count = 0, .durable_lsn = 1, .id_ceiling = 9, .origin = {}});
            end_record(used, begin, header.generation, RecordType::batch, 1001);
            disk->put(segment_path(segment_number_max), used);
        }
        const Spool spool(*disk);
        ASSERT_TRUE(spool.error);
        EXPECT_NE(spool.error->text.find("posthouse spool export"), std::string::npos)
            << spool.error->text;
    }
}

TEST(StrangeSpool, a_segment_of_another_spool_never_takes_over) {
    for (const bool has_version : {true, false}) {
        SCOPED_TRACE(has_version);
        ThreeLives lives;
        const auto version = lives.disk->content("VERSION");
        if (!has_version) lives.disk->put("VERSION", "nonsense");
        lives.disk->put(segment_path(9), stranger(*lives.disk, 9));
        Spool spool(*lives.disk);
        ASSERT_FALSE(spool.error);
        EXPECT_EQ(spool.load().size(), 3u);
        EXPECT_EQ(lives.disk->content("VERSION"), version);
        ASSERT_EQ(spool.service->report().damages.size(), 1u);
        EXPECT_TRUE(
            spool.service->report().damages[0].what.starts_with("a segment of another spool"));
        EXPECT_EQ(spool.service->report().notes.empty(), has_version);
        EXPECT_FALSE(lives.disk->content("quarantine/0000000000000009.log").empty());
    }
}

// Its header is mended as any other, and what it says then is taken at its word.
TEST(StrangeSpool, a_damaged_segment_of_another_spool_does_not_become_one_of_ours) {
    for (const std::size_t offset : {0U, 9U, 16U, 20U, 35U, 44U, 100U, 4093U}) {
        SCOPED_TRACE(offset);
        ThreeLives lives;
        const auto other = stranger(*lives.disk, 2);
        lives.disk->put(segment_path(2), other);
        flip(*lives.disk, segment_path(2), offset);
        const auto damaged = lives.disk->content(segment_path(2));
        const auto found = find_header(damaged, 2);
        // It differs from ours only in bit 0 of its first uuid byte, so that is the bit that is
        // mended.
        ASSERT_TRUE(found && found->is_mended);
        EXPECT_EQ(found->header, *parse_header(other));
        Spool spool(*lives.disk);
        ASSERT_FALSE(spool.error);
        EXPECT_EQ(spool.load().size(), 2u);
        ASSERT_EQ(spool.service->report().damages.size(), 1u);
        EXPECT_TRUE(
            spool.service->report().damages[0].what.starts_with("a segment of another spool"));
        EXPECT_EQ(lives.disk->content("quarantine/0000000000000002.log"), damaged);
    }
}

TEST(StrangeSpool, version_decides_even_against_more_segments) {
    ThreeLives lives;
    for (std::uint64_t number = 10; number < 20; ++number)
        lives.disk->put(segment_path(number), stranger(*lives.disk, number));
    Spool spool(*lives.disk);
    EXPECT_EQ(spool.load().size(), 3u);
    EXPECT_EQ(spool.service->report().damages.size(), 10u);
}

TEST(StrangeSpool, a_version_that_no_segment_has_does_not_cost_the_mail) {
    ThreeLives lives;
    const auto version = lives.disk->content("VERSION");
    const auto uuid = format_uuid(parse_header(stranger(*lives.disk, 1))->spool);
    lives.disk->put("VERSION", "posthouse spool 1\nuuid " + uuid + "\n");
    Spool spool(*lives.disk);
    EXPECT_EQ(spool.load().size(), 3u);
    EXPECT_EQ(lives.disk->content("VERSION"), version);
    ASSERT_EQ(spool.service->report().notes.size(), 1u);
}

TEST(StrangeSpool, those_who_look_tell_the_segment_of_another_spool_too) {
    ThreeLives lives;
    lives.disk->put(segment_path(9), stranger(*lives.disk, 9));
    const auto view = SpoolView::open(*lives.disk, {});
    ASSERT_TRUE(view);
    EXPECT_EQ((*view)->messages().size(), 3u);
    ASSERT_EQ((*view)->problems().size(), 1u);
    const auto& problem = (*view)->problems()[0];
    EXPECT_EQ(problem.path, segment_path(9));
    EXPECT_NE(problem.what.find("a segment of another spool (uuid "), std::string::npos);
    EXPECT_NE(problem.what.find("this one's uuid is "), std::string::npos);
}

// ---- What is certain ----

// The segment's last record, its tag, its lsn, or any other part of it.
TEST(StrangeSpool, a_bad_last_record_of_a_closed_segment_is_damage_where_its_successor_is_gone) {
    for (const std::size_t at : {0u, 4u, 8u, 12u, 16u, 40u, 150u}) {
        SCOPED_TRACE(at);
        ThreeLives lives;
        lives.disk->erase(segment_path(2));
        const auto enqueue = last_of(lives.disk->content(first_segment), RecordType::enqueue);
        flip(*lives.disk, first_segment, enqueue.offset + at);
        const auto view = SpoolView::open(*lives.disk, {});
        ASSERT_TRUE(view);
        EXPECT_EQ((*view)->problems().size(), 1u);
        Spool spool(*lives.disk);
        EXPECT_FALSE(spool.service->report().has_torn_tail);
        EXPECT_EQ(spool.service->report().damages.size(), 1u);
        EXPECT_FALSE(in_folder(*lives.disk, "quarantine").empty());
        EXPECT_TRUE(spool.load().contains(lives.ids[2]));
    }
}

TEST(StrangeSpool, a_whole_segment_whose_successor_is_gone_is_no_damage) {
    ThreeLives lives;
    lives.disk->erase(segment_path(2));
    Spool spool(*lives.disk);
    EXPECT_TRUE(spool.service->report().damages.empty());
    EXPECT_FALSE(spool.service->report().has_torn_tail);
    EXPECT_EQ(spool.load().size(), 2u);
}

// What was in a file's earlier life is no damage, whatever it looks like.
// The writer made one in a hurry, while the one with the lower number was being made ready.
TEST(StrangeSpool, a_segment_that_was_started_after_one_with_a_higher_number_is_the_last_one) {
    for (const bool is_last_torn : {true, false}) {
        SCOPED_TRACE(is_last_torn);
        ThreeLives lives;
        auto earlier = lives.disk->content("seg/0000000000000002.log");
        auto last = lives.disk->content("seg/0000000000000003.log");
        auto& damaged = is_last_torn ? last : earlier;
        const auto record = last_of(damaged, RecordType::enqueue);
        damaged[record.offset + record.bytes - 9] ^= 1;
        for (auto* bytes : {&earlier, &last}) {
            auto header = *parse_header(*bytes);
            header.number = header.number == 2 ? 3 : 2;
            bytes->replace(0, segment_header_bytes, format_header(header));
            lives.disk->put(segment_path(header.number), *bytes);
        }
        const auto view = SpoolView::open(*lives.disk, {});
        ASSERT_TRUE(view);
        EXPECT_EQ((*view)->problems().size(), is_last_torn ? 0u : 1u);
        Spool spool(*lives.disk);
        ASSERT_FALSE(spool.error);
        const auto report = spool.service->report();
        EXPECT_EQ(report.damages.size(), is_last_torn ? 0u : 1u);
        EXPECT_EQ(report.torn_tail_segment, is_last_torn ? 2u : 0u);
        const auto id = spool.store->allocate_id();
        EXPECT_TRUE(spool.enqueue(shared_message(id, "new")));
        EXPECT_EQ(origin_of(lives.disk->content("seg/0000000000000004.log"))->previous, 2u);
    }
}

TEST(StrangeSpool, leftovers_of_an_earlier_life_behind_the_end_are_no_damage) {
    ThreeLives lives;
    lives.disk->erase(segment_path(2));
    auto bytes = lives.disk->content(first_segment);
    const auto last = records_of(bytes).back();
    const auto end = last.offset + last.bytes;
    bytes.resize(end);
    const auto at = begin_record(bytes);
    bytes.append(100, 'x');
    end_record(bytes, at, Generation{0x1234567800000001}, RecordType::enqueue, 1);
    lives.disk->put(first_segment, bytes);
    Spool spool(*lives.disk);
    EXPECT_TRUE(spool.service->report().damages.empty());
}

// Copies what is left of some segments to a cold one; as a kill leaves it.
std::unique_ptr<FakeDisk> with_a_cold_segment(std::set<MessageId>& left) {
    FakeDisk disk;
    Spool spool(disk);
    std::vector<MessageId> ids;
    for (int i = 0; i < 400; ++i) {
        ids.push_back(spool.store->allocate_id());
        EXPECT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(1500, 'x'))));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i % 40 == 0) {
            left.insert(ids[i]);
        } else {
            EXPECT_TRUE(spool.finish(ids[i]));
        }
    }
    spool.run();
    return copy_of(disk);
}

std::string newest_cold(const FakeDisk& disk) {
    std::string newest;
    for (const auto& path : in_folder(disk, "seg", ".log")) {
        const auto origin = origin_of(disk.content(path));
        if (origin && origin->stream == Stream::cold) newest = path;
    }
    return newest;
}

TEST(StrangeSpool, each_start_proves_that_the_cold_stream_was_certain) {
    std::set<MessageId> left;
    auto disk = with_a_cold_segment(left);
    const auto cold = newest_cold(*disk);
    ASSERT_FALSE(cold.empty());
    MessageId id = 0;
    disk = after_a_life(*disk, id);
    for (const auto& path : in_folder(*disk, "seg", ".idx")) disk->erase(path);
    const auto last = last_of(disk->content(cold), RecordType::enqueue);
    flip(*disk, cold, last.offset + 12);
    Spool spool(*disk);
    EXPECT_FALSE(spool.service->report().has_torn_tail);
    EXPECT_GE(spool.service->report().damages.size(), 1u);
}

TEST(StrangeSpool, a_start_without_cold_mail_makes_no_cold_segment) {
    ThreeLives lives;
    EXPECT_EQ(in_folder(*lives.disk, "seg", ".log").size(), 3u);
}

// ---- A disk that fails ----

TEST(StrangeSpool, a_segment_that_cannot_be_opened_does_not_stop_the_start) {
    ThreeLives lives;
    lives.disk->refuse_to_open(segment_path(2), EIO);
    {
        Spool spool(*lives.disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        EXPECT_EQ(spool.load().size(), 2u);
        ASSERT_EQ(spool.service->report().damages.size(), 1u);
        EXPECT_NE(spool.service->report().damages[0].what.find("cannot be opened"),
                  std::string::npos);
        const auto id = spool.store->allocate_id();
        EXPECT_TRUE(spool.enqueue(shared_message(id, "new")));
        EXPECT_TRUE(spool.finish(lives.ids[0]));
    }
    lives.disk->refuse_to_open("", 0);
    Spool spool(*lives.disk);
    const auto messages = spool.load();
    EXPECT_TRUE(messages.contains(lives.ids[1])) << "the next start tries again";
    EXPECT_FALSE(messages.contains(lives.ids[0]));
}

TEST(StrangeSpool, the_last_segment_that_cannot_be_opened_does_not_stop_the_start) {
    ThreeLives lives;
    lives.disk->refuse_to_open(segment_path(3), EIO);
    Spool spool(*lives.disk);
    ASSERT_FALSE(spool.error) << spool.error->text;
    EXPECT_EQ(spool.load().size(), 2u);
    const auto id = spool.store->allocate_id();
    EXPECT_TRUE(spool.enqueue(shared_message(id, "new")));
    EXPECT_FALSE(lives.disk->content(segment_path(4)).empty());
}

TEST(StrangeSpool, a_segment_that_this_user_may_not_open_or_too_few_descriptors_stop_the_start) {
    for (const int code : {EACCES, EPERM, EMFILE, ENFILE, ENOMEM}) {
        ThreeLives lives;
        lives.disk->refuse_to_open(segment_path(2), code);
        const Spool spool(*lives.disk);
        ASSERT_TRUE(spool.error) << code;
        EXPECT_NE(spool.error->text.find("0000000000000002.log"), std::string::npos);
    }
}

TEST(StrangeSpool, a_lack_of_descriptors_at_any_moment_of_a_start_is_not_taken_for_damage) {
    ThreeLives lives;
    const auto calls_of = [&] {
        const auto disk = copy_of(*lives.disk);
        Spool spool(*disk);
        EXPECT_EQ(spool.load().size(), 3u);
        return disk->descriptor_calls();
    };
    const auto calls = calls_of();
    std::size_t refused = 0;
    for (std::uint64_t call = 0; call < calls; ++call) {
        SCOPED_TRACE(call);
        const auto disk = copy_of(*lives.disk);
        disk->refuse_descriptors(call, 1, EMFILE);
        {
            Spool spool(*disk);
            if (spool.error) {
                EXPECT_EQ(spool.error->kind, StoreError::Kind::no_resources) << spool.error->text;
                ++refused;
            } else {
                EXPECT_LE(spool.load().size(), 3u);  // a read may be refused, too
                EXPECT_TRUE(spool.damaged.empty());
                EXPECT_EQ(spool.service->statistics().damages_met, 0u);
                EXPECT_TRUE(spool.service->report().damages.empty());
            }
        }
        Spool spool(*disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        EXPECT_EQ(spool.load().size(), 3u);
        EXPECT_TRUE(spool.service->report().damages.empty());
        EXPECT_TRUE(in_folder(*disk, "quarantine").empty());
    }
    EXPECT_GT(refused, 5u);
}

// The kernel keeps what it could not write, to be read, and takes it for written.
TEST(StrangeSpool, what_a_failed_sync_left_in_the_page_cache_is_on_the_medium_when_it_is_loaded) {
    FakeDisk disk;
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        disk.fail_at(disk.calls() + 1, EIO, true);  // write, sync
        EXPECT_FALSE(spool.enqueue(shared_message(id, "body")));
    }
    disk.fail_at(UINT64_MAX, 0);
    std::map<MessageId, StoredMessage> loaded;
    {
        Spool spool(disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        loaded = spool.load();
        ASSERT_TRUE(loaded.contains(id)) << "or this test shows nothing";
        const auto cut = disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
        Spool later(*cut);
        EXPECT_TRUE(later.service->report().damages.empty());
        EXPECT_TRUE(later.load().contains(id));
    }
}

// Root leaves files that the service cannot open.
TEST(PosixDisk, says_whose_file_it_is_that_may_not_be_opened_and_what_to_do) {
    const bool is_root = ::geteuid() == 0;  // only root can become another user
    std::string root = "/tmp/posthouse-test-XXXXXX";
    ASSERT_NE(::mkdtemp(root.data()), nullptr);
    ASSERT_EQ(::chmod(root.c_str(), 0755), 0);
    PosixDisk disk(root);
    ASSERT_TRUE(disk.create("file"));
    EXPECT_FALSE(disk.foreign_owner());
    constexpr uid_t nobody = 65534;
    if (is_root) {
        ASSERT_EQ(::seteuid(nobody), 0);
    } else {
        ASSERT_EQ(::chmod((root + "/file").c_str(), 0), 0);
    }
    const auto opened = disk.open("file");
    const auto owner = disk.foreign_owner();
    ASSERT_TRUE(!is_root || ::seteuid(0) == 0);
    std::filesystem::remove_all(root);
    ASSERT_FALSE(opened);
    EXPECT_TRUE(opened.error().is_denied());
    EXPECT_EQ(owner.has_value(), is_root);
    if (!is_root) return;
    EXPECT_NE(opened.error().text.find("It belongs to root, and this is "), std::string::npos)
        << opened.error().text;
    EXPECT_NE(opened.error().text.find(": chown "), std::string::npos);
    EXPECT_EQ(owner, "root");
}

// ---- Damage that is reported to the sender ----

TEST(StrangeSpool, a_damaged_body_in_its_record_leaves_the_envelope) {
    ThreeLives lives;
    const auto enqueue = last_of(lives.disk->content(first_segment), RecordType::enqueue);
    const auto body = lives.disk->content(first_segment).find("body of", enqueue.offset);
    flip(*lives.disk, first_segment, body);
    Spool spool(*lives.disk);
    const auto messages = spool.load();
    ASSERT_TRUE(messages.contains(lives.ids[0]));
    EXPECT_EQ(spool.damaged.at(lives.ids[0]), "its body is damaged");
    const auto stored = spool.read(lives.ids[0]);
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->message->envelope, make_message(lives.ids[0], "").envelope);
    EXPECT_FALSE(stored->message->is_body_inline());
    const auto bytes = spool.read_body(lives.ids[0], 0, 100);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().kind, StoreError::Kind::corrupt);
    EXPECT_TRUE(spool.finish(lives.ids[0]));
    // It is reported once.
    const auto after = copy_of(*lives.disk);
    Spool next(*after);
    EXPECT_FALSE(next.load().contains(lives.ids[0]));
    EXPECT_TRUE(next.damaged.empty());
}

TEST(StrangeSpool, a_damaged_envelope_is_not_believed) {
    ThreeLives lives;
    const auto enqueue = last_of(lives.disk->content(first_segment), RecordType::enqueue);
    flip(*lives.disk, first_segment,
         lives.disk->content(first_segment).find("sender", enqueue.offset));
    Spool spool(*lives.disk);
    EXPECT_EQ(spool.load().size(), 2u);
    EXPECT_TRUE(spool.damaged.empty());
}

TEST(StrangeSpool, a_file_that_ends_before_its_digest_says_is_damage_and_its_mail_is_told) {
    FakeDisk disk;
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
    }
    leave_digests(disk);
    ASSERT_FALSE(disk.content(index_path(1)).empty());
    const auto bytes = disk.content(first_segment);
    disk.put(first_segment, bytes.substr(0, last_of(bytes, RecordType::enqueue).offset + 30));
    Spool spool(disk);
    ASSERT_EQ(spool.service->report().damages.size(), 1u);
    EXPECT_EQ(spool.service->report().damages[0].what, "the file ends before its records do");
    std::vector<QueuedMessage> all;
    spool.store->load([&](std::vector<QueuedMessage> batch, bool) {
        std::ranges::move(batch, std::back_inserter(all));
    });
    spool.run();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].damage, "its file was cut off");
    EXPECT_EQ(all[0].sender, "sender" + std::to_string(id) + "@us.example");
    EXPECT_TRUE(spool.finish(id));
}

TEST(StrangeSpool, an_older_whole_copy_of_a_message_counts_where_the_newest_lacks_pieces) {
    ThreeLives lives;
    FakeDisk& disk = *lives.disk;
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        spool.store->append_body(id, std::string(1000, 'a'), nullptr);
        spool.store->append_body(id, std::string(1000, 'b'), nullptr);
        ASSERT_TRUE(spool.enqueue(large_message(id, 2000)));
    }
    // As compaction leaves it, before the old segment goes: the ENQ again, in a later segment, with
    // pieces that are there, but damaged.
    {
        MessageId other = 0;
        auto after = after_a_life(disk, other);
        const auto path = in_folder(*after, "seg", ".log").back();
        auto bytes = after->content(path);
        const auto end = records_of(bytes).back();
        bytes.resize(end.offset + end.bytes);
        const auto generation = parse_header(bytes)->generation;
        auto at = begin_record(bytes);
        put_batch(bytes, {.count = 1,
                          .durable_lsn = 1,
                          .id_ceiling = 1u << 20,
                          .origin = *origin_of(after->content(path))});
        end_record(bytes, at, generation, RecordType::batch, 1000);
        at = begin_record(bytes);
        auto message = make_message(id, "");
        message.facts.size = 2000;
        put_enqueue(bytes, message, 0, {{.segment = 77, .offset = 4096, .length = 2000, .crc = 0}});
        end_record(bytes, at, generation, RecordType::enqueue, 1001);
        after->put(path, bytes);
        Spool spool(*after);
        EXPECT_TRUE(spool.load().contains(id));
        EXPECT_TRUE(spool.damaged.empty());
        EXPECT_EQ(spool.read_body(id, 500, 1000), std::string(500, 'a') + std::string(500, 'b'));
        EXPECT_TRUE(spool.finish(id));
        const auto later = copy_of(*after);
        Spool next(*later);
        EXPECT_FALSE(next.load().contains(id));
    }
}

TEST(StrangeSpool, a_message_with_a_piece_in_a_segment_that_is_lost_can_be_finished) {
    FakeDisk disk;
    Spool first(disk);
    const auto id = first.store->allocate_id();
    for (int i = 0; i < 3; ++i) {
        first.store->append_body(id, std::string(30'000, 'a'), nullptr);
        first.run();
    }
    ASSERT_TRUE(first.enqueue(large_message(id, 90'000)));
    const auto killed = copy_of(disk);
    ASSERT_GE(in_folder(*killed, "seg", ".log").size(), 2u);
    killed->erase(first_segment);
    Spool spool(*killed);
    EXPECT_TRUE(spool.load().contains(id));
    EXPECT_EQ(spool.damaged.at(id), "parts of its body are lost");
    EXPECT_TRUE(spool.finish(id));
    spool.run();
}

TEST(StrangeSpool, damage_met_while_old_mail_is_copied_together_is_told) {
    FakeDisk disk;
    Spool spool(disk);
    std::vector<MessageId> ids;
    for (int i = 0; i < 400; ++i) {
        ids.push_back(spool.store->allocate_id());
        ASSERT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(1500, 'x'))));
    }
    const auto bytes = disk.content(first_segment);
    flip(disk, first_segment, bytes.find("sender1@us"));
    for (std::size_t i = 1; i < ids.size(); ++i) {
        if (i % 40 == 0) continue;
        ASSERT_TRUE(spool.finish(ids[i]));
    }
    spool.run();
    const auto& met = spool.service->report().damages_met;
    ASSERT_EQ(met.size(), 1u);
    EXPECT_EQ(met[0].segment, 1u);
    EXPECT_NE(met[0].what.find("could not be copied"), std::string::npos);
}

// ---- Digests that another program wrote ----

std::string with_right_checksums(std::string bytes) {
    put_at(bytes, 152, crc32c(std::string_view(bytes).substr(160)));
    put_at(bytes, 156, crc32c(std::string_view(bytes).substr(0, 156)));
    return bytes;
}

TEST(StrangeSpool, a_digest_with_numbers_out_of_bounds_is_as_good_as_none) {
    FakeDisk disk;
    {
        Spool spool(disk);
        const auto id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
        spool.store->update(id, make_states(2), {});
        spool.run();
    }
    leave_digests(disk);
    const auto good = disk.content(index_path(1));
    ASSERT_TRUE(Digest::parse(with_right_checksums(good)));
    std::size_t refused = 0;
    for (std::size_t at = 160; at < good.size(); ++at) {
        for (const char value : {'\xff', '\x7f', '\x00'}) {
            auto bytes = good;
            bytes[at] = value;
            const auto hurt = copy_of(disk);
            hurt->put(index_path(1), with_right_checksums(bytes));
            refused += Digest::parse(with_right_checksums(bytes)) ? 0 : 1;
            Spool spool(*hurt);
            ASSERT_FALSE(spool.error);
            spool.store->load([](auto, bool) {});
            spool.run();
        }
    }
    EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace queue::segment_log
