#include "queue/segment_log/writing/compaction.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <set>

#include "queue/segment_log/log_store.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

constexpr std::uint64_t segment_bytes = 64u << 10;

std::uint64_t spool_bytes(const FakeDisk& disk) {
    std::uint64_t bytes = 0;
    for (const auto& path : disk.files()) {
        if (path.ends_with(".log")) bytes += disk.content(path).size();
    }
    return bytes;
}

// Twice what is live, the slack, the two that are written, one that is ready, and those kept for
// use again.
std::uint64_t bound_of(const LogStatistics& statistics, const LogOptions& options) {
    return 2 * statistics.live_bytes +
           (options.slack_segments + 3 + options.free_segments_max) * options.segment_bytes;
}

// A day's mail is delivered at once, but every hundredth message waits for days.
TEST(Compaction, keeps_the_spool_within_twice_what_is_queued_and_some_segments) {
    FakeDisk disk;
    const auto options = small_options();
    std::set<MessageId> waiting;
    {
        Spool spool(disk, options);
        for (int i = 0; i < 20'000; ++i) {
            const auto id = spool.store->allocate_id();
            spool.store->enqueue(shared_message(id, std::string(800, 'x')), nullptr);
            if (i % 100 == 0) {
                spool.store->update(id, make_states(1), {});
                waiting.insert(id);
            } else {
                spool.store->finish(id, {}, nullptr);
            }
            if (i % 10 != 9) continue;
            spool.run();
            const auto statistics = spool.service->statistics();
            ASSERT_LE(spool_bytes(disk), bound_of(statistics, options)) << "after " << i;
        }
        EXPECT_GT(spool.service->statistics().copied_bytes, 100'000u);
        // No more than a few times what has died is ever copied.
        EXPECT_LT(spool.service->statistics().copied_bytes, 20'000u * 1000u);
        EXPECT_EQ(spool.service->statistics().damages_met, 0u) << "nothing is left behind";
    }
    Spool spool(disk, options);
    const auto messages = spool.load();
    ASSERT_EQ(messages.size(), waiting.size());
    for (const auto& [id, stored] : messages) {
        EXPECT_TRUE(waiting.contains(id));
        EXPECT_EQ(stored.states, make_states(1)) << "its state went along";
    }
}

// The queue is emptied in any order, with nothing new coming in.
TEST(Compaction, gives_back_the_room_of_a_queue_that_is_emptied_at_random) {
    FakeDisk disk;
    const auto options = small_options();
    Spool spool(disk, options);
    std::vector<MessageId> ids;
    for (int i = 0; i < 3000; ++i) {
        ids.push_back(spool.store->allocate_id());
        spool.store->enqueue(shared_message(ids.back(), std::string(800, 'x')), nullptr);
    }
    spool.run();
    std::mt19937_64 rng(5);
    std::ranges::shuffle(ids, rng);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        spool.store->finish(ids[i], {}, nullptr);
        if (i % 10 != 9) continue;
        spool.run();
        ASSERT_LE(spool_bytes(disk), bound_of(spool.service->statistics(), options)) << i;
    }
    spool.run();
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
    EXPECT_LE(spool_bytes(disk), 5 * segment_bytes);
    EXPECT_EQ(spool.service->statistics().damages_met, 0u);
}

// A message waits here and there between bodies that never came whole.
TEST(Compaction, gives_back_the_room_of_aborted_uploads) {
    FakeDisk disk;
    const auto options = small_options();
    Spool spool(disk, options);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "waits")));
        const auto aborted = spool.store->allocate_id();
        for (int piece = 0; piece < 3; ++piece) {
            spool.store->append_body(aborted, std::string(20'000, 'x'), nullptr);
            spool.run();
        }
        spool.store->discard_body(aborted);
        spool.run();
        ASSERT_LE(spool_bytes(disk), bound_of(spool.service->statistics(), options)) << i;
    }
}

// Its pieces have no ENQ yet, and stay where they are.
TEST(Compaction, does_not_take_a_body_that_is_coming_in_for_damage) {
    FakeDisk disk;
    Spool spool(disk, small_options());
    const auto large = spool.store->allocate_id();
    std::vector<MessageId> ids;
    for (int i = 0; i < 400; ++i) {
        if (i % 40 == 0) spool.store->append_body(large, std::string(1000, 'p'), nullptr);
        ids.push_back(spool.store->allocate_id());
        spool.store->enqueue(shared_message(ids.back(), std::string(1500, 'x')), nullptr);
    }
    spool.run();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i % 20 == 0) continue;
        spool.store->finish(ids[i], {}, nullptr);
        if (i % 10 == 9) spool.run();
    }
    spool.run();
    EXPECT_GT(spool.service->statistics().copied_bytes, 0u);
    EXPECT_EQ(spool.service->statistics().damages_met, 0u);
}

// It fills the disk as new mail does, and where only it writes nothing else would notice.
TEST(Compaction, looks_at_the_free_space) {
    FakeDisk disk;
    const auto options = small_options();
    Spool spool(disk, options);
    std::vector<MessageId> ids;
    for (int i = 0; i < 3000; ++i) {
        ids.push_back(spool.store->allocate_id());
        spool.store->enqueue(shared_message(ids.back(), std::string(800, 'x')), nullptr);
    }
    spool.run();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i % 10 != 0) spool.store->finish(ids[i], {}, nullptr);
    }
    // What was asked for is written before anything is copied.
    while (spool.service->statistics().copied_bytes == 0) ASSERT_TRUE(spool.service->step());
    const auto copied = spool.service->statistics().copied_bytes;
    disk.set_space({.free_bytes = 1, .total_bytes = 1'000'000'000});
    spool.run();
    EXPECT_GT(spool.service->statistics().copied_bytes, copied + segment_bytes);
    EXPECT_TRUE(spool.store->refusal());
}

TEST(Compaction, moves_large_bodies_piece_by_piece) {
    FakeDisk disk;
    const auto options = small_options();
    const std::string body(60'000, 'b');
    MessageId large = 0;
    {
        Spool spool(disk, options);
        large = spool.store->allocate_id();
        for (std::size_t at = 0; at < body.size(); at += 4000) {
            spool.store->append_body(large, body.substr(at, 4000), nullptr);
            // So that its pieces lie far apart.
            const auto between = spool.store->allocate_id();
            spool.store->enqueue(shared_message(between, std::string(20'000, 'x')), nullptr);
            spool.store->finish(between, {}, nullptr);
            spool.run();
        }
        ASSERT_TRUE(spool.enqueue(large_message(large, body.size())));
        spool.store->update(large, make_states(3), {});
        for (int i = 0; i < 600; ++i) {
            const auto id = spool.store->allocate_id();
            spool.store->enqueue(shared_message(id, std::string(2000, 'y')), nullptr);
            spool.store->finish(id, {}, nullptr);
            spool.run();
        }
        EXPECT_GT(spool.service->statistics().copied_bytes, body.size() / 2);
        EXPECT_LE(spool_bytes(disk), bound_of(spool.service->statistics(), options));
    }
    Spool spool(disk, options);
    EXPECT_EQ(spool.load().at(large).states, make_states(3));
    std::string read;
    while (read.size() < body.size()) {
        auto part = spool.read_body(large, read.size(), 40'000);
        ASSERT_TRUE(part) << part.error().text;
        ASSERT_FALSE(part->empty());
        read += *part;
    }
    EXPECT_TRUE(read == body);
}

// Its pieces move between two reads, and their old segments are used again.
TEST(Compaction, a_body_that_moves_while_it_is_read_is_read_on) {
    FakeDisk disk;
    Spool spool(disk);
    const auto large = spool.store->allocate_id();
    std::string body;
    for (int piece = 0; piece < 8; ++piece) {
        body += std::string(4000, static_cast<char>('a' + piece));
        spool.store->append_body(large, body.substr(body.size() - 4000), nullptr);
        const auto between = spool.store->allocate_id();
        spool.store->enqueue(shared_message(between, std::string(20'000, 'x')), nullptr);
        spool.store->finish(between, {}, nullptr);
        spool.run();
    }
    ASSERT_TRUE(spool.enqueue(large_message(large, body.size())));
    const auto copied_before = spool.service->statistics().copied_bytes;
    disk.before_next_read([&] {
        for (int i = 0; i < 600; ++i) {
            const auto id = spool.store->allocate_id();
            spool.store->enqueue(shared_message(id, std::string(2000, 'y')), nullptr);
            spool.store->finish(id, {}, nullptr);
            while (spool.service->step()) {
            }
        }
        ASSERT_GT(spool.service->statistics().copied_bytes, copied_before + body.size() / 2);
    });
    const auto read = spool.read_body(large, 0, static_cast<std::uint32_t>(body.size()));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_TRUE(*read == body);
    EXPECT_EQ(spool.service->statistics().damaged_reads, 0u);
}

// A message waits in a segment that is full of such, and its state in one that has nothing else.
TEST(Compaction, moves_a_state_whose_message_stays_where_it_is) {
    FakeDisk disk;
    const auto options = small_options();
    std::vector<MessageId> waiting;
    {
        Spool spool(disk, options);
        for (int i = 0; i < 60; ++i) {
            waiting.push_back(spool.store->allocate_id());
            ASSERT_TRUE(spool.enqueue(shared_message(waiting.back(), std::string(800, 'x'))));
        }
        for (std::size_t i = 0; i < waiting.size(); ++i) {
            spool.store->update(waiting[i], make_states(static_cast<std::uint16_t>(i)), {});
            for (int k = 0; k < 8; ++k) {
                const auto id = spool.store->allocate_id();
                spool.store->enqueue(shared_message(id, std::string(9000, 'y')), nullptr);
                spool.store->finish(id, {}, nullptr);
                spool.run();
            }
            ASSERT_LE(spool_bytes(disk), bound_of(spool.service->statistics(), options)) << i;
        }
    }
    Spool spool(disk, options);
    const auto messages = spool.load();
    ASSERT_EQ(messages.size(), waiting.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        EXPECT_EQ(messages.at(waiting[i]).states, make_states(static_cast<std::uint16_t>(i))) << i;
    }
}

// What was copied of it until then belongs to no message.
TEST(Compaction, gives_back_the_copied_pieces_of_a_message_that_ends_meanwhile) {
    FakeDisk disk;
    auto options = small_options();
    options.segment_bytes = 3u << 20;
    options.slack_segments = 0;
    options.batch_bytes_max = 1u << 20;
    Spool spool(disk, options);
    const auto large = spool.store->allocate_id();
    const std::string piece(200'000, 'b');
    for (int i = 0; i < 10; ++i) {
        spool.store->append_body(large, piece, nullptr);
        spool.run();
    }
    ASSERT_TRUE(spool.enqueue(large_message(large, 10 * piece.size())));
    // Until that segment is closed and mostly empty: then it is copied, in more turns than one.
    const auto step_by_step = [&] {
        while (spool.service->statistics().copied_bytes < piece.size()) {
            const bool did_something = spool.service->step();
            spool.run_posted();
            if (!did_something) return false;
        }
        return true;
    };
    int fillers = 0;
    while (!step_by_step() && ++fillers < 300) {
        const auto id = spool.store->allocate_id();
        spool.store->enqueue(shared_message(id, std::string(100'000, 'y')), nullptr);
        spool.store->finish(id, {}, nullptr);
    }
    const auto copied = spool.service->statistics().copied_bytes;
    ASSERT_GT(copied, piece.size());
    ASSERT_LT(copied, 10 * piece.size()) << "it is still on its way";
    ASSERT_TRUE(spool.finish(large));
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
}

// The segment that a message was copied from may outlive the one that it was copied to: then only a
// DONE for the older copy keeps the message from coming back, in this life and in later ones.
TEST(Compaction, an_older_copy_that_could_not_be_moved_away_brings_no_message_back) {
    for (const bool is_restarted_between : {false, true}) {
        FakeDisk disk;
        disk.refuse_to_move("seg/0000000000000001.log");
        const auto options = small_options();
        std::vector<MessageId> waiting;
        auto spool = std::make_unique<Spool>(disk, options);
        const auto fill = [&](int count, int wait_every) {
            for (int i = 0; i < count; ++i) {
                const auto id = spool->store->allocate_id();
                spool->store->enqueue(shared_message(id, std::string(3000, 'y')), nullptr);
                if (wait_every > 0 && i % wait_every == 0) {
                    waiting.push_back(id);
                } else {
                    spool->store->finish(id, {}, nullptr);
                }
                spool->run();
            }
        };
        fill(600, 10);
        ASSERT_GT(spool->service->statistics().copied_bytes, 30'000u);
        if (is_restarted_between) {
            spool.reset();
            spool = std::make_unique<Spool>(disk, options);
        }
        for (const auto id : waiting) spool->store->finish(id, {}, nullptr);
        waiting.clear();
        // Until every segment but the unmovable one has been used again.
        fill(600, 10);
        for (const auto id : waiting) spool->store->finish(id, {}, nullptr);
        waiting.clear();
        fill(200, 0);
        spool->run();
        ASSERT_FALSE(disk.content("seg/0000000000000001.log").empty());
        spool.reset();
        Spool next(disk, options);
        EXPECT_TRUE(next.load().empty()) << "restarted between: " << is_restarted_between;
    }
}

// Wherever one call fails once: what was copied and finished stays gone, what was not is there.
TEST(Compaction, what_was_copied_and_finished_stays_gone_whatever_segment_is_lost_last) {
    for (std::uint64_t call = 0; call < 400; ++call) {
        FakeDisk disk;
        const auto options = small_options();
        MessageId waiting = 0;
        std::unique_ptr<FakeDisk> left;
        enum class Finish { not_tried, failed, certain } finish = Finish::not_tried;
        {
            Spool spool(disk, options);
            waiting = spool.store->allocate_id();
            ASSERT_TRUE(spool.enqueue(shared_message(waiting, "x")));
            const auto fill = [&](int count) {
                for (int i = 0; i < count && spool.fatal.empty(); ++i) {
                    const auto id = spool.store->allocate_id();
                    spool.store->enqueue(shared_message(id, std::string(9000, 'y')), nullptr);
                    spool.store->finish(id, {}, nullptr);
                    spool.run();
                }
            };
            // Everything that would remove a file fails from some call on: old segments stay.
            disk.fail_at(disk.calls() + call, EIO);
            fill(60);
            if (spool.fatal.empty()) {
                finish = spool.finish(waiting) ? Finish::certain : Finish::failed;
            }
            fill(3);
            left = disk.after_power_cut(call, FakeDisk::Cut::at_random);
        }
        Spool spool(*left, options);
        ASSERT_FALSE(spool.error) << spool.error->text;
        const bool is_there = spool.load().contains(waiting);
        EXPECT_TRUE(finish == Finish::failed || is_there == (finish == Finish::not_tried))
            << "call " << call;
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace queue::segment_log
