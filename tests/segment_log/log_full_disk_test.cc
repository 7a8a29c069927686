// What the log does when there is no room on the disk, and before that.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include "queue/segment_log/log_store.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

// Without floors, and without empty segments that a start could use.
LogOptions scanty_options() {
    auto options = small_options();
    options.free_segments_max = 0;
    options.free_percent_min = 0;
    options.free_bytes_min = 0;
    return options;
}

struct FullDisk {
    explicit FullDisk(std::size_t queued, const LogOptions& options = small_options())
        : spool(disk, options) {
        for (std::size_t i = 0; i < queued; ++i) send(800);
    }
    // Its answer; nothing while it has none.
    std::optional<StoreResult<void>> send(std::size_t bytes) {
        const auto id = spool.store->allocate_id();
        auto answer = std::make_shared<std::optional<StoreResult<void>>>();
        spool.store->enqueue(shared_message(id, std::string(bytes, 'x')),
                             [answer](auto result) { answer->emplace(std::move(result)); });
        spool.run();
        if (*answer && **answer) waiting.insert(id);
        return *answer;
    }
    void fill(std::uint64_t left = 0) { disk.set_capacity(disk.used_bytes() + left); }
    // How often the next segment is wanted does not matter: mail comes until it is refused.
    void send_until_refused(std::size_t bytes = 3000) {
        for (int i = 0; i < 5000; ++i) {
            const auto answer = send(bytes);
            ASSERT_TRUE(answer) << "nobody waits for room";
            if (*answer) continue;
            ASSERT_EQ(answer->error().kind, StoreError::Kind::no_space);
            return;
        }
        FAIL() << "never refused";
    }
    void finish_one() {
        spool.store->finish(*waiting.begin(), {}, nullptr);
        waiting.erase(waiting.begin());
        spool.run();
    }
    void expect_kept() {
        const auto copy = copy_of(disk);
        Spool next(*copy);
        ASSERT_FALSE(next.error);
        EXPECT_TRUE(next.service->report().damages.empty());
        const auto messages = next.load();
        EXPECT_EQ(messages.size(), waiting.size());
        for (const auto id : waiting) EXPECT_TRUE(messages.contains(id)) << id;
    }

    FakeDisk disk;
    Spool spool;
    std::set<MessageId> waiting;
};

TEST(LogFullDisk, refuses_mail_and_goes_on_when_there_is_room_again) {
    for (const std::uint64_t left : {0u, 3'000u, 70'000u}) {
        SCOPED_TRACE(left);
        FullDisk world(100);
        world.fill(left);
        world.send_until_refused();
        EXPECT_EQ(world.spool.fatal, "");
        ASSERT_TRUE(world.spool.store->refusal());
        EXPECT_EQ(world.spool.store->refusal()->kind, StoreError::Kind::no_space);
        EXPECT_EQ(world.spool.notes.size(), 1u);
        for (const auto id : world.waiting) ASSERT_TRUE(world.spool.read(id));
        world.spool.service->check_space();
        EXPECT_TRUE(world.spool.store->refusal()) << "it is full yet";
        world.disk.set_capacity(UINT64_MAX);
        world.spool.run();
        world.spool.service->check_space();
        EXPECT_FALSE(world.spool.store->refusal());
        EXPECT_EQ(world.spool.notes.size(), 2u);
        EXPECT_TRUE(world.send(3000).value());
        EXPECT_EQ(world.spool.fatal, "");
        world.expect_kept();
    }
}

// What is left of the disk is for them.
TEST(LogFullDisk, writes_down_what_comes_of_mail_as_long_as_there_is_any_room) {
    FullDisk world(100);
    world.fill(20'000);
    world.send_until_refused();
    for (int i = 0; i < 8; ++i) world.finish_one();
    EXPECT_FALSE(world.spool.store->is_stalled());
    EXPECT_TRUE(world.spool.store->refusal());
    EXPECT_EQ(world.spool.notes.size(), 1u);
    world.expect_kept();
}

TEST(LogFullDisk, keeps_what_comes_of_mail_until_it_can_be_written) {
    FullDisk world(100);
    world.fill();
    int ended = 0;
    while (!world.spool.store->is_stalled()) {
        ASSERT_LT(++ended, 5000) << "it never fills up";
        const auto id = *world.waiting.begin();
        world.spool.store->update(id, make_states(static_cast<std::uint16_t>(ended)), {});
        world.spool.run();
    }
    for (int i = 0; i < 20; ++i) world.finish_one();
    EXPECT_TRUE(world.spool.store->is_stalled());
    EXPECT_EQ(world.spool.fatal, "");
    EXPECT_EQ(world.spool.notes.size(), 1u);
    world.disk.set_capacity(UINT64_MAX);
    world.spool.run();
    EXPECT_FALSE(world.spool.store->is_stalled());
    world.spool.service->check_space();
    EXPECT_FALSE(world.spool.store->refusal());
    EXPECT_EQ(world.spool.notes.size(), 2u);
    world.expect_kept();
}

// Its pieces are given back, and what the client sends of it behind them is no message.
TEST(LogFullDisk, a_body_that_found_no_room_for_a_piece_is_refused_whole) {
    FullDisk world(100);
    const auto id = world.spool.store->allocate_id();
    world.spool.store->append_body(id, std::string(6000, 'y'), nullptr);
    world.spool.run();
    world.fill();
    world.send_until_refused();
    std::vector<bool> answers;
    const auto note = [&answers](const auto& result) { answers.push_back(result.has_value()); };
    world.spool.store->append_body(id, std::string(6000, 'y'), note);
    world.spool.run();
    world.disk.set_capacity(UINT64_MAX);
    world.spool.run();
    world.spool.service->check_space();
    ASSERT_FALSE(world.spool.store->refusal());
    world.spool.store->append_body(id, std::string(6000, 'y'), note);
    world.spool.store->enqueue(large_message(id, 18'000), note);
    world.spool.run();
    EXPECT_EQ(answers, std::vector<bool>({false, false, false}));
    EXPECT_TRUE(world.send(3000).value());
    world.expect_kept();
}

// Some file systems find no room where they have been written to before, and some only at a write
// that has begun.
TEST(LogFullDisk, a_batch_that_finds_no_room_itself_is_answered_and_comes_to_nothing) {
    for (const bool is_ended : {false, true}) {
        SCOPED_TRACE(is_ended);
        FullDisk world(10);
        const auto id = world.spool.store->allocate_id();
        std::optional<StoreResult<void>> answer;
        world.spool.store->enqueue(shared_message(id, std::string(3000, 'x')),
                                   [&](auto result) { answer = std::move(result); });
        if (is_ended) world.spool.store->finish(id, {}, nullptr);
        world.disk.fail_at(world.disk.calls(), ENOSPC, true);
        world.spool.run();
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->has_value(), is_ended) << "what was delivered needs no place";
        EXPECT_TRUE(world.spool.store->is_stalled());
        world.disk.fail_at(~std::uint64_t{0}, 0);
        world.spool.run();
        EXPECT_FALSE(world.spool.store->is_stalled());
        world.spool.service->check_space();
        EXPECT_TRUE(world.send(3000).value());
        EXPECT_EQ(world.spool.fatal, "");
        EXPECT_EQ(world.spool.notes.size(), 2u);
        world.expect_kept();
    }
}

TEST(LogFullDisk, a_lack_of_room_at_any_change_loses_and_breaks_nothing) {
    std::uint64_t calls = 0;
    for (std::uint64_t call = 0; call == 0 || call < calls; ++call) {
        SCOPED_TRACE(call);
        FakeDisk disk;
        std::set<MessageId> waiting;
        {
            Spool spool(disk);
            const auto begin = disk.calls();
            disk.fail_at(begin + call, ENOSPC);
            for (int i = 0; i < 40 && spool.fatal.empty(); ++i) {
                const auto id = spool.store->allocate_id();
                spool.store->enqueue(shared_message(id, std::string(5000, 'x')), [&](auto result) {
                    if (result) waiting.insert(id);
                });
                spool.run();
                if (i % 3 == 0 && waiting.contains(id)) {
                    spool.store->finish(id, {}, nullptr);
                    waiting.erase(id);
                }
                spool.run();
                spool.service->check_space();
            }
            // What is on the disk after a sync that failed is not known, whatever it says.
            EXPECT_TRUE(spool.fatal.empty() || spool.fatal.find("sync") != spool.fatal.npos)
                << spool.fatal;
            EXPECT_TRUE(!spool.fatal.empty() || waiting.size() > 24) << waiting.size();
            calls = std::max(calls, disk.calls() - begin);
        }
        disk.fail_at(~std::uint64_t{0}, 0);
        Spool next(disk);
        ASSERT_FALSE(next.error);
        EXPECT_TRUE(next.service->report().damages.empty());
        const auto messages = next.load();
        for (const auto id : waiting) EXPECT_TRUE(messages.contains(id)) << id;
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(calls, 100u);
}

// Two segments, and room for each message's outcomes.
TEST(LogFullDisk, leaves_room_for_what_comes_of_mail_and_takes_mail_when_there_is_more) {
    FullDisk world(100, scanty_options());
    world.fill(500'000);
    world.send_until_refused();
    ASSERT_TRUE(world.spool.store->refusal());
    const auto kept = 2 * scanty_options().segment_bytes + 512 * world.waiting.size();
    EXPECT_GT(world.disk.space()->free_bytes, kept - 5'000);
    EXPECT_LT(world.disk.space()->free_bytes, kept + 100'000) << "and not more than that";
    world.fill(kept - 1);
    world.spool.service->check_space();
    EXPECT_TRUE(world.spool.store->refusal());
    world.fill(kept + scanty_options().segment_bytes - 1'000);
    world.spool.service->check_space();
    EXPECT_TRUE(world.spool.store->refusal()) << "or it would be refused again at once";
    world.fill(kept + scanty_options().segment_bytes);
    world.spool.service->check_space();
    EXPECT_FALSE(world.spool.store->refusal());
    EXPECT_EQ(world.spool.notes.size(), 2u);
    EXPECT_TRUE(world.send(3000).value());
    world.expect_kept();
}

// Only the spool itself fills it: whatever comes of each message, and in whatever order, finds
// room, and when all of it is gone, mail is taken again.
TEST(LogFullDisk, a_spool_that_has_filled_its_disk_can_always_write_what_comes_of_its_mail) {
    struct Row {
        std::uint64_t disk_bytes;
        std::size_t message_bytes;
        std::uint64_t seeds;
    };
    for (const auto& row :
         {Row{400'000, 3'000, 3}, Row{1'000'000, 3'000, 3}, Row{1'000'000, 300, 1}}) {
        for (std::uint64_t seed = 1; seed <= row.seeds; ++seed) {
            SCOPED_TRACE(testing::Message() << row.disk_bytes << " bytes, messages of "
                                            << row.message_bytes << ", seed " << seed);
            auto options = scanty_options();
            options.free_segments_max = 4;
            FullDisk world(0, options);
            world.disk.set_space({.free_bytes = row.disk_bytes, .total_bytes = row.disk_bytes});
            world.disk.set_capacity(row.disk_bytes);
            std::mt19937_64 rng(seed);
            for (int round = 0; round < 4; ++round) {
                world.send_until_refused(row.message_bytes);
                std::vector<MessageId> order(world.waiting.begin(), world.waiting.end());
                const bool is_half = round % 2 == 0;
                ASSERT_GT(order.size(), 20u);
                std::ranges::shuffle(order, rng);
                for (std::uint16_t attempt = 1; attempt < 8; ++attempt) {
                    for (const auto id : order) {
                        if (rng() % 4 == 0) continue;
                        world.spool.store->update(id, make_states(attempt), {});
                        world.spool.run();
                    }
                }
                ASSERT_FALSE(world.spool.store->is_stalled()) << "attempts, round " << round;
                if (is_half) order.resize(order.size() / 2 + 1);
                for (const auto id : order) {
                    world.spool.store->finish(id, {}, nullptr);
                    world.waiting.erase(id);
                    world.spool.run();
                }
                ASSERT_FALSE(world.spool.store->is_stalled()) << "ends, round " << round;
                world.expect_kept();
                world.spool.service->check_space();
                ASSERT_TRUE(is_half || !world.spool.store->refusal()) << "round " << round;
            }
            EXPECT_TRUE(world.send(3000).value());
            EXPECT_EQ(world.spool.fatal, "");
        }
    }
}

TEST(LogFullDisk, leaves_two_segments_where_they_are_large) {
    FakeDisk disk;
    auto options = scanty_options();
    options.segment_bytes = 64u << 20;
    disk.set_space({.free_bytes = 1'000'000'000, .total_bytes = 4'000'000'000});
    Spool spool(disk, options);
    EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")));
    disk.set_space({.free_bytes = 150'000'000, .total_bytes = 4'000'000'000});
    spool.service->check_space();
    EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")));
    disk.set_space({.free_bytes = 134'000'000, .total_bytes = 4'000'000'000});
    EXPECT_FALSE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")));
}

TEST(LogFullDisk, keeps_half_of_the_disk_at_most) {
    FullDisk world(0, scanty_options());
    world.disk.set_space({.free_bytes = 600'000, .total_bytes = 600'000});
    world.disk.set_capacity(600'000);
    world.send_until_refused(50);
    EXPECT_GT(world.disk.space()->free_bytes, 295'000u);
    EXPECT_LT(world.disk.space()->free_bytes, 305'000u);
}

// How many segments so many messages of this size make where 64 MiB are configured for a segment.
std::uint64_t segments_of(FakeDisk& disk, int messages, std::size_t bytes) {
    auto options = scanty_options();
    options.segment_bytes = 64u << 20;
    Spool spool(disk, options);
    for (int i = 0; i < messages; ++i)
        EXPECT_TRUE(
            spool.enqueue(shared_message(spool.store->allocate_id(), std::string(bytes, 'x'))));
    return spool.service->statistics().segments;
}

TEST(LogFullDisk, a_small_disk_is_written_in_small_segments_from_the_first_start_on) {
    for (const bool is_first : {false, true}) {
        FakeDisk disk;
        disk.set_space({.free_bytes = 60'000'000, .total_bytes = 64'000'000});
        if (is_first) disk.remove_root();  // the start makes it
        EXPECT_EQ(segments_of(disk, 50, 100'000), 3u) << "of two megabytes each";
    }
}

TEST(LogFullDisk, the_smallest_segments_have_64_KiB) {
    FakeDisk disk;
    disk.set_space({.free_bytes = 1'000'000, .total_bytes = 1'000'000});
    disk.set_capacity(1'000'000);
    EXPECT_EQ(segments_of(disk, 10, 20'000), 4u) << "three messages in each";
}

// Where there is little room the log reserves it before it writes: for no more than one segment, so
// that there is room for the next one.
TEST(LogFullDisk, a_segment_takes_no_more_room_than_it_may_have) {
    for (std::uint64_t left = 0; left < 400'000; left += 7'777) {
        SCOPED_TRACE(left);
        auto options = scanty_options();
        options.zero_ahead_bytes = 1u << 20;
        FullDisk world(100, options);
        world.fill(left);
        world.send_until_refused();
        for (const auto& path : world.disk.files()) {
            const bool is_segment = path.starts_with("seg/");
            EXPECT_TRUE(!is_segment || world.disk.content(path).size() <= options.segment_bytes)
                << path << ' ' << world.disk.content(path).size();
        }
    }
}

// Mail of which most is finished, and the rest copied together: a spool with both streams.
struct ColdSpool {
    ColdSpool() {
        Spool spool(disk);
        std::vector<MessageId> ids;
        for (int i = 0; i < 1200; ++i) {
            ids.push_back(spool.store->allocate_id());
            EXPECT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(800, 'x'))));
        }
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (i % 12 == 0) {
                waiting.insert(ids[i]);
            } else {
                spool.store->finish(ids[i], {}, nullptr);
            }
            if (i % 50 == 49) spool.run();
        }
        EXPECT_GT(spool.service->statistics().copied_bytes, 0u);
    }
    FakeDisk disk;
    std::set<MessageId> waiting;
};

// Killed and started again and again, until what is left is gone: each start comes up.
TEST(LogFullDisk, a_start_without_room_for_new_segments_is_full_and_goes_on_when_there_is_room) {
    const ColdSpool cold;
    for (const std::uint64_t left : {0u, 4'096u, 6'000u}) {
        SCOPED_TRACE(left);
        std::shared_ptr<FakeDisk> disk = copy_of(cold.disk);
        // What a start cuts off the old segments is gone after this one.
        {
            const Spool first(*disk, scanty_options());
        }
        disk = copy_of(*disk);
        const auto limit = disk->used_bytes() + left;
        int full = 0;
        for (int start = 0; start < 12; ++start) {
            SCOPED_TRACE(start);
            disk->set_capacity(limit);
            const auto running = disk;
            Spool spool(*running, scanty_options());
            ASSERT_FALSE(spool.error) << spool.error->text;
            if (const auto refusal = spool.store->refusal()) {
                ++full;
                EXPECT_EQ(refusal->kind, StoreError::Kind::no_space);
            }
            EXPECT_TRUE(spool.service->report().damages.empty());
            EXPECT_EQ(spool.load().size(), cold.waiting.size());
            EXPECT_EQ(spool.fatal, "");
            disk = copy_of(*running);  // killed
        }
        EXPECT_GT(full, 0);
        disk->set_capacity(limit);
        {
            Spool spool(*disk, scanty_options());
            disk->set_capacity(UINT64_MAX);
            spool.run();
            spool.service->check_space();
            EXPECT_FALSE(spool.store->refusal());
            EXPECT_FALSE(spool.store->is_stalled());
            EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")));
            for (const auto id : cold.waiting) EXPECT_TRUE(spool.finish(id));
            EXPECT_EQ(spool.fatal, "");
        }
        Spool next(*disk);
        EXPECT_TRUE(next.service->report().damages.empty());
        EXPECT_EQ(next.load().size(), 1u);
    }
}

TEST(LogFullDisk, ids_given_after_a_full_start_are_given_by_no_later_one) {
    const ColdSpool cold;
    const auto disk = copy_of(cold.disk);
    disk->set_capacity(0);
    Spool spool(*disk, scanty_options());
    ASSERT_FALSE(spool.error) << spool.error->text;
    ASSERT_TRUE(spool.store->is_stalled());
    disk->set_capacity(UINT64_MAX);
    spool.run();
    spool.service->check_space();
    ASSERT_FALSE(spool.store->refusal());
    const auto id = spool.store->allocate_id();
    const auto killed = copy_of(*disk);
    const Spool next(*killed);
    EXPECT_GT(next.store->allocate_id(), id);
}

TEST(LogFullDisk, a_start_that_fails_leaves_no_segment_behind) {
    const ColdSpool cold;
    std::uint64_t failed = 0;
    for (std::uint64_t call = 0; call < 60; ++call) {
        const auto disk = copy_of(cold.disk);
        const auto before = disk->files();
        disk->fail_at(disk->calls() + call, ENOMEM);
        const Spool spool(*disk, scanty_options(), false);
        if (!spool.error) continue;
        ++failed;
        for (const auto& path : disk->files())
            EXPECT_TRUE(!path.starts_with("seg/") || std::ranges::count(before, path) > 0) << path;
    }
    EXPECT_GT(failed, 3u);
}

// Room for some of the copies is missing, or for all of them.
TEST(LogFullDisk, puts_compaction_off_and_is_told_once) {
    for (const std::uint64_t room : {2'000u, 20'000u}) {
        SCOPED_TRACE(room);
        FakeDisk disk;
        std::set<MessageId> waiting;
        {
            Spool spool(disk);
            std::vector<MessageId> ids;
            const auto send = [&] {
                ids.push_back(spool.store->allocate_id());
                ASSERT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(800, 'x'))));
            };
            while (ids.size() < 1200) send();
            // To the beginning of a segment, so that none is ready behind it.
            const auto segments = spool.service->statistics().segments;
            while (spool.service->statistics().segments == segments) send();
            disk.set_capacity(disk.used_bytes() + room);
            for (std::size_t i = 0; i < ids.size(); ++i) {
                if (i % 5 == 0) {
                    waiting.insert(ids[i]);
                } else {
                    spool.store->finish(ids[i], {}, nullptr);
                }
                if (i % 50 == 49) spool.run();  // compaction looks at the segments now and then
            }
            spool.run();
            EXPECT_EQ(spool.fatal, "");
            EXPECT_EQ(spool.notes.size(), 1u);
            EXPECT_LE(spool.service->statistics().copied_bytes, room);
            for (const auto id : waiting) EXPECT_TRUE(spool.read(id));
            disk.set_capacity(UINT64_MAX);
            for (int i = 0; i < 100; ++i) {
                const auto id = spool.store->allocate_id();
                ASSERT_TRUE(spool.enqueue(shared_message(id, "x")));
                ASSERT_TRUE(spool.finish(id));
            }
            EXPECT_EQ(spool.fatal, "");
            EXPECT_EQ(spool.notes.size(), 1u);
            EXPECT_GT(spool.service->statistics().copied_bytes, 100'000u);
            EXPECT_LT(spool.service->statistics().segments, segments);
        }
        Spool spool(disk);
        EXPECT_TRUE(spool.service->report().damages.empty());
        const auto messages = spool.load();
        EXPECT_EQ(messages.size(), waiting.size());
        for (const auto id : waiting) EXPECT_TRUE(messages.contains(id));
    }
}

}  // namespace
}  // namespace queue::segment_log
