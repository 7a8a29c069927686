#include "queue/segment_log/log_store.h"

#include <cerrno>
#include <set>

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

TEST(LogStore, reads_back_what_was_enqueued) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    const auto message = shared_message(id, "Subject: x\r\n\r\nHello\r\n");
    ASSERT_TRUE(spool.enqueue(message));
    const auto stored = spool.read(id);
    ASSERT_TRUE(stored);
    expect_equal(*stored->message, *message);
    ASSERT_EQ(stored->states.size(), 2u);
    EXPECT_EQ(stored->states[0].phase, RecipientPhase::pending);
    EXPECT_EQ(stored->states[0].next_due, first_due(message->arrival, message->envelope.requests));
    EXPECT_EQ(spool.read_body(id, 12, 5), "\r\nHel");
}

TEST(LogStore, a_finished_message_is_not_found) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(id, "body")));
    ASSERT_TRUE(spool.finish(id));
    EXPECT_EQ(spool.read(id).error().kind, StoreError::Kind::not_found);
    EXPECT_EQ(spool.finish(id).error().kind, StoreError::Kind::not_found);
}

TEST(LogStore, brings_back_messages_and_states_at_the_next_start) {
    FakeDisk disk;
    MessageId kept = 0;
    std::vector<RecipientState> states = make_states(3);
    {
        Spool spool(disk);
        kept = spool.store->allocate_id();
        const auto gone = spool.store->allocate_id();
        spool.store->enqueue(shared_message(kept, "kept"), nullptr);
        spool.store->enqueue(shared_message(gone, "gone"), nullptr);
        spool.store->update(kept, make_states(1), {});
        spool.store->update(kept, states, {});
        spool.store->finish(gone, {}, nullptr);
        spool.run();
    }
    Spool spool(disk);
    auto messages = spool.load();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages.at(kept).states, states);
    EXPECT_EQ(messages.at(kept).message->body, "") << "bodies are left out of load()";
    EXPECT_EQ(spool.read(kept)->message->body, "kept");
    EXPECT_GT(spool.store->allocate_id(), kept);
}

TEST(LogStore, a_large_body_is_streamed_in_and_read_back_in_pieces) {
    FakeDisk disk;
    std::string body;
    for (int i = 0; body.size() < 150'000; ++i) body += std::to_string(i) + "\r\n";
    MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        for (std::size_t at = 0; at < body.size(); at += 10'000) {
            bool written = false;
            spool.store->append_body(id, body.substr(at, 10'000),
                                     [&](auto result) { written = result.has_value(); });
            spool.run();
            EXPECT_TRUE(written);
        }
        EXPECT_EQ(spool.read(id).error().kind, StoreError::Kind::not_found);
        ASSERT_TRUE(spool.enqueue(large_message(id, body.size())));
        EXPECT_EQ(spool.read_body(id, 0, 25'000), body.substr(0, 25'000));
    }
    Spool spool(disk);
    EXPECT_EQ(spool.load().size(), 1u);
    EXPECT_EQ(spool.read_body(id, 9'999, 20'003), body.substr(9'999, 20'003));
    EXPECT_EQ(spool.read_body(id, 149'000, 25'000), body.substr(149'000));
    EXPECT_EQ(spool.read_body(id, body.size(), 10), "");
    ASSERT_TRUE(spool.finish(id));
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
    EXPECT_EQ(spool.service->statistics().segments, 1u);
}

TEST(LogStore, callbacks_of_one_message_come_in_the_order_of_the_requests) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    std::vector<std::string> order;
    const auto note = [&](const char* what) {
        return [&order, what](const auto& result) {
            order.push_back(std::string(what) + (result ? "" : " failed"));
        };
    };
    // All asked for at once: the reads see the writes before them, and no callback comes inside a
    // call.
    spool.store->append_body(id, std::string(500, 'a'), note("piece 1"));
    spool.store->append_body(id, std::string(500, 'b'), note("piece 2"));
    spool.store->enqueue(large_message(id, 1000), note("enqueue"));
    spool.store->read_body(id, 499, 2, note("body"));
    spool.store->read(id, note("read"));
    spool.store->update(id, make_states(4), {});
    std::uint16_t attempts = 0;
    spool.store->read(id, [&](auto stored) {
        order.emplace_back("read again");
        attempts = stored->states[0].attempts;
    });
    EXPECT_TRUE(order.empty());
    spool.run();
    EXPECT_EQ(order, (std::vector<std::string>{"piece 1", "piece 2", "enqueue", "body", "read",
                                               "read again"}));
    EXPECT_EQ(attempts, 4);
}

TEST(LogStore, reports_are_queued_with_what_they_report) {
    FakeDisk disk;
    MessageId original = 0;
    MessageId delay = 0;
    MessageId failure = 0;
    {
        Spool spool(disk);
        original = spool.store->allocate_id();
        delay = spool.store->allocate_id();
        failure = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(original, "body")));
        auto report = make_message(delay, "delayed");
        report.about = original;
        spool.store->update(original, make_states(5),
                            {std::make_shared<const Message>(std::move(report))});
        // A read of a report waits for what brings it.
        EXPECT_EQ(spool.read(delay)->message->about, original);
        ASSERT_TRUE(spool.finish(original, {shared_message(failure, "failed")}));
    }
    Spool spool(disk);
    const auto messages = spool.load();
    EXPECT_FALSE(messages.contains(original));
    EXPECT_TRUE(messages.contains(delay) && messages.contains(failure));
}

TEST(LogStore, reports_are_kept_even_if_the_message_is_gone) {
    FakeDisk disk;
    Spool spool(disk);
    const auto original = spool.store->allocate_id();
    const auto report = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(original, "body")));
    ASSERT_TRUE(spool.finish(original));
    EXPECT_EQ(spool.finish(original, {shared_message(report, "failed")}).error().kind,
              StoreError::Kind::not_found);
    EXPECT_TRUE(spool.read(report));
}

TEST(LogStore, a_message_larger_than_a_segment_spans_several) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    const std::string piece(30'000, 'p');
    for (int i = 0; i < 10; ++i) spool.store->append_body(id, piece, nullptr);
    ASSERT_TRUE(spool.enqueue(large_message(id, 10 * piece.size())));
    EXPECT_GE(spool.service->statistics().segments, 4u);
    EXPECT_EQ(spool.read_body(id, 29'990, 40)->size(), 40u);
    ASSERT_TRUE(spool.finish(id));
    EXPECT_EQ(spool.service->statistics().segments, 1u);
}

TEST(LogStore, an_envelope_larger_than_a_segment_gets_one_of_its_own) {
    FakeDisk disk;
    auto options = small_options();
    options.segment_bytes = 8192;
    options.batch_bytes_max = 4096;
    MessageId id = 0;
    MessageId next = 0;
    {
        Spool spool(disk, options);
        ASSERT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "before")));
        id = spool.store->allocate_id();
        next = spool.store->allocate_id();
        spool.store->enqueue(shared_message(id, std::string(100'000, 'x')), nullptr);
        spool.store->enqueue(shared_message(next, "behind"), nullptr);
        spool.run();
    }
    Spool spool(disk, options);
    EXPECT_EQ(spool.load().size(), 3u);
    EXPECT_EQ(spool.read(id)->message->body.size(), 100'000u);
}

TEST(LogStore, a_discarded_body_takes_no_room) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    spool.store->append_body(id, std::string(10'000, 'x'), nullptr);
    spool.run();
    EXPECT_GT(spool.service->statistics().live_bytes, 10'000u);
    spool.store->discard_body(id);
    spool.store->discard_body(id);
    spool.run();
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
}

TEST(LogStore, a_store_that_goes_discards_the_bodies_that_it_began) {
    FakeDisk disk;
    Spool spool(disk);
    auto other = spool.service->make_store([](auto) {});
    other->append_body(other->allocate_id(), std::string(10'000, 'x'), nullptr);
    spool.run();
    EXPECT_GT(spool.service->statistics().live_bytes, 10'000u);
    other.reset();
    spool.run();
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
}

TEST(LogStore, writes_pieces_of_a_body_without_a_sync) {
    FakeDisk disk;
    Spool spool(disk);
    const auto syncs = spool.service->statistics().syncs;
    const auto id = spool.store->allocate_id();
    spool.store->append_body(id, std::string(5000, 'x'), nullptr);
    spool.run();
    EXPECT_EQ(spool.service->statistics().syncs, syncs);
    ASSERT_TRUE(spool.enqueue(large_message(id, 5000)));
    EXPECT_EQ(spool.service->statistics().syncs, syncs + 1);
}

TEST(LogStore, one_sync_serves_all_that_waits) {
    FakeDisk disk;
    Spool spool(disk);
    const auto syncs = spool.service->statistics().syncs;
    int durable = 0;
    for (int i = 0; i < 50; ++i) {
        spool.store->enqueue(shared_message(spool.store->allocate_id(), "body"),
                             [&](auto result) { durable += result.has_value(); });
    }
    spool.service->step();
    EXPECT_EQ(spool.posted.size(), 1u) << "one wake-up for all";
    spool.run();
    EXPECT_EQ(durable, 50);
    EXPECT_EQ(spool.service->statistics().syncs, syncs + 1);
}

// A client that sends one message after the other pays one sync for each.
TEST(LogStore, what_nobody_waits_for_is_synced_with_the_next_message) {
    FakeDisk disk;
    Spool spool(disk);
    spool.run();
    const auto syncs = spool.service->statistics().syncs;
    MessageId before = 0;
    for (int i = 0; i < 10; ++i) {
        const auto id = spool.store->allocate_id();
        std::unique_ptr<FakeDisk> moment;
        spool.store->enqueue(shared_message(id, "body"), [&](auto result) {
            EXPECT_TRUE(result);
            moment = disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
        });
        ASSERT_TRUE(spool.service->step());
        spool.run_posted();
        ASSERT_TRUE(moment);
        Spool later(*moment);
        const auto messages = later.load();
        EXPECT_TRUE(messages.contains(id));
        EXPECT_FALSE(messages.contains(before));
        spool.store->update(id, make_states(1), {});
        ASSERT_TRUE(spool.service->step());
        spool.store->finish(id, {}, nullptr);
        ASSERT_TRUE(spool.service->step());
        before = id;
    }
    EXPECT_EQ(spool.service->statistics().syncs, syncs + 10);
    spool.run();
    EXPECT_EQ(spool.service->statistics().syncs, syncs + 11) << "when nothing else is to be done";
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
}

TEST(LogStore, what_is_not_synced_yet_is_read_and_survives_a_kill_and_not_a_power_cut) {
    FakeDisk disk;
    Spool spool(disk);
    const auto kept = spool.store->allocate_id();
    const auto gone = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(kept, "kept")));
    ASSERT_TRUE(spool.enqueue(shared_message(gone, "gone")));
    const auto report = spool.store->allocate_id();
    spool.store->update(kept, make_states(1), {});
    spool.store->finish(gone, {shared_message(report, "report")}, nullptr);
    std::uint16_t attempts = 0;
    bool is_report_read = false;
    spool.store->read(kept, [&](auto stored) { attempts = stored->states[0].attempts; });
    spool.store->read(report, [&](auto stored) { is_report_read = stored.has_value(); });
    const auto syncs = spool.service->statistics().syncs;
    while (!is_report_read) {
        ASSERT_TRUE(spool.service->step());
        spool.run_posted();
    }
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(spool.service->statistics().syncs, syncs);
    const auto killed = disk.after_power_cut(1, FakeDisk::Cut::everything_unsynced);
    Spool after_kill(*killed);
    auto messages = after_kill.load();
    EXPECT_FALSE(messages.contains(gone));
    EXPECT_TRUE(messages.contains(report));
    EXPECT_EQ(messages.at(kept).states[0].attempts, 1);
    const auto cut = disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
    Spool after_cut(*cut);
    messages = after_cut.load();
    EXPECT_TRUE(messages.contains(gone)) << "and its report will be made again";
    EXPECT_FALSE(messages.contains(report));
    EXPECT_EQ(messages.at(kept).states[0].attempts, 0);
}

TEST(LogStore, refuses_new_mail_while_the_disk_is_nearly_full) {
    FakeDisk disk;
    auto options = small_options();
    options.free_percent_min = 10;
    options.free_bytes_min = 1'000'000;
    disk.set_space({.free_bytes = 99'000'000, .total_bytes = 1'000'000'000});
    Spool spool(disk, options);
    auto refusal = spool.store->refusal();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->kind, StoreError::Kind::no_space);
    EXPECT_EQ(refusal->text,
              "the disk of the spool /fake/spool has only 99 MB left, and the limit is 100 MB: new "
              "mail is refused for now; make room there, or lower [spool] free_percent and "
              "free_space");
    // What is queued goes on: that makes room.
    EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")));
    disk.set_space({.free_bytes = 101'000'000, .total_bytes = 1'000'000'000});
    spool.service->check_space();
    EXPECT_FALSE(spool.store->refusal());
    disk.set_space({.free_bytes = 999'999, .total_bytes = 1'000'000});
    spool.service->check_space();
    EXPECT_TRUE(spool.store->refusal()) << "the floor counts where ten percent are less";
}

TEST(LogStore, the_floors_can_be_changed_while_it_runs) {
    FakeDisk disk;
    auto options = small_options();
    options.free_percent_min = 90;
    options.free_bytes_min = 0;
    disk.set_space({.free_bytes = 500'000'000, .total_bytes = 1'000'000'000});
    Spool spool(disk, options);
    EXPECT_TRUE(spool.store->refusal());
    spool.service->set_space_floors(50, 0);
    EXPECT_FALSE(spool.store->refusal());
    spool.service->set_space_floors(0, 500'000'001);
    EXPECT_TRUE(spool.store->refusal());
}

TEST(LogStore, refuses_new_mail_while_the_disk_has_hardly_an_inode_left) {
    FakeDisk disk;
    constexpr std::uint64_t plenty = 1'000'000'000'000;
    disk.set_space({plenty, plenty, 99, 1'000'000});
    Spool spool(disk);
    const auto refusal = spool.store->refusal();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->kind, StoreError::Kind::no_space);
    EXPECT_NE(refusal->text.find("has only 99 inodes left, and the limit is 100"),
              std::string::npos)
        << refusal->text;
    disk.set_space({plenty, plenty, 100, 1'000'000});
    spool.service->check_space();
    EXPECT_FALSE(spool.store->refusal());
    disk.set_space({plenty, plenty, 0, 0});
    spool.service->check_space();
    EXPECT_FALSE(spool.store->refusal()) << "some file systems do not count them";
}

TEST(LogStore, looks_at_the_free_space_by_itself) {
    struct Row {
        const char* what;
        std::uint64_t segment_bytes;
        std::size_t body_bytes;
        int messages_max;
    };
    for (const auto& row : {Row{"after some small messages", 64u << 20, 1, 64},
                            Row{"with a new segment", 64u << 10, 30'000, 3},
                            Row{"after some large messages", 64u << 20, 1'000'000, 17}}) {
        SCOPED_TRACE(row.what);
        FakeDisk disk;
        auto options = small_options();
        options.segment_bytes = row.segment_bytes;
        Spool spool(disk, options);
        disk.set_space({.free_bytes = 1, .total_bytes = 1'000'000'000});
        int messages = 0;
        for (; messages < row.messages_max && !spool.store->refusal(); ++messages) {
            const auto message =
                shared_message(spool.store->allocate_id(), std::string(row.body_bytes, 'x'));
            ASSERT_TRUE(spool.enqueue(message));
        }
        EXPECT_TRUE(spool.store->refusal());
        EXPECT_EQ(messages, row.messages_max) << "no oftener than needed";
    }
}

TEST(LogStore, a_full_disk_is_told_as_such) {
    FakeDisk disk;
    Spool spool(disk);
    disk.fail_at(disk.calls(), ENOSPC);
    const auto result = spool.enqueue(shared_message(spool.store->allocate_id(), "x"));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, StoreError::Kind::no_space);
    EXPECT_EQ(spool.fatal, "");
    ASSERT_TRUE(spool.store->refusal());
    EXPECT_EQ(spool.store->refusal()->text, result.error().text);
    ASSERT_EQ(spool.notes.size(), 1u);
    EXPECT_TRUE(spool.notes[0].starts_with("the disk of the spool is full: cannot write "))
        << spool.notes[0];
    EXPECT_FALSE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")))
        << "until somebody has looked for room";
    spool.service->check_space();
    EXPECT_FALSE(spool.store->refusal());
    EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "x")));
    EXPECT_EQ(spool.notes.size(), 2u);
}

TEST(LogStore, damage_found_in_reading_is_quarantined_and_told) {
    FakeDisk disk;
    MessageId id = 0;
    Spool spool(disk);
    id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(id, "find this body")));
    const std::string path = "seg/0000000000000001.log";
    auto bytes = disk.content(path);
    bytes[bytes.find("sender" + std::to_string(id))] = 'S';
    disk.put(path, bytes);
    const auto stored = spool.read(id);
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().kind, StoreError::Kind::corrupt);
    const std::string kept = "quarantine/0000000000000001-0000000000001090.bytes";
    EXPECT_NE(stored.error().text.find(kept), std::string::npos) << stored.error().text;
    EXPECT_NE(disk.content(kept).find("Sender"), std::string::npos);
    EXPECT_EQ(spool.service->statistics().damaged_reads, 1u);
}

// What has become of the recipients is known without it while the relay runs.
TEST(LogStore, a_damaged_state_keeps_no_message_from_being_read) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    const auto message = shared_message(id, "body");
    ASSERT_TRUE(spool.enqueue(message));
    spool.store->update(id, make_states(2), {});
    spool.run();
    const std::string path = "seg/0000000000000001.log";
    auto bytes = disk.content(path);
    bytes[bytes.find("greylisted")] = 'G';
    disk.put(path, bytes);
    const auto stored = spool.read(id);
    ASSERT_TRUE(stored) << stored.error().text;
    expect_equal(*stored->message, *message);
    RecipientState first;
    first.next_due = first_due(message->arrival, message->envelope.requests);
    EXPECT_EQ(stored->states, std::vector<RecipientState>(2, first));
    const auto kept = disk.list("quarantine");
    ASSERT_EQ(kept->size(), 1u);
    EXPECT_NE(disk.content("quarantine/" + kept->front()).find("Greylisted"), std::string::npos);
    EXPECT_EQ(spool.service->statistics().damaged_reads, 1u);
    spool.store->update(id, make_states(3), {});
    EXPECT_EQ(spool.read(id)->states, make_states(3)) << "the next one is whole";
}

// An administrator who has removed the file has seen it.
TEST(LogStore, damage_that_is_met_again_is_told_once) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(id, "find this body")));
    const std::string path = "seg/0000000000000001.log";
    auto bytes = disk.content(path);
    bytes[bytes.find("sender" + std::to_string(id))] = 'S';
    disk.put(path, bytes);
    // It is not kept yet, so it has to be reported again.
    disk.fail_at(disk.calls(), ENOSPC, true);
    EXPECT_EQ(spool.read(id).error().kind, StoreError::Kind::corrupt);
    EXPECT_TRUE(disk.list("quarantine")->empty());
    disk.fail_at(~std::uint64_t{0}, 0);
    EXPECT_EQ(spool.read(id).error().kind, StoreError::Kind::corrupt);
    ASSERT_EQ(disk.list("quarantine")->size(), 1u);
    disk.erase("quarantine/" + disk.list("quarantine")->front());
    const auto again = spool.read(id);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, StoreError::Kind::corrupt);
    EXPECT_EQ(again.error().text.find("are kept in"), std::string::npos) << again.error().text;
    EXPECT_TRUE(disk.list("quarantine")->empty());
    EXPECT_EQ(spool.service->statistics().damaged_reads, 3u);
}

TEST(LogStore, tells_when_what_was_asked_for_is_durable) {
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(shared_message(id, "x")));
    std::unique_ptr<FakeDisk> moment;
    spool.store->update(id, make_states(7), {});
    spool.store->when_durable([&](auto result) {
        ASSERT_TRUE(result);
        moment = disk.after_power_cut(1, FakeDisk::Cut::nothing_unsynced);
    });
    spool.run();
    ASSERT_TRUE(moment);
    Spool later(*moment);
    EXPECT_EQ(later.load().at(id).states, make_states(7));
    int told = 0;
    spool.store->when_durable([&](auto result) { told += result ? 1 : 0; });
    spool.run();
    EXPECT_EQ(told, 1) << "with nothing to wait for, too";
    disk.fail_at(disk.calls(), EIO, true);
    spool.store->update(id, make_states(8), {});
    spool.store->when_durable([&](auto result) { told += result ? 0 : 1; });
    spool.run();
    EXPECT_EQ(told, 2);
}

// ---- segments that are used again ----

TEST(Segments, one_message_that_waits_does_not_hold_the_others_segments) {
    FakeDisk disk;
    MessageId waiting = 0;
    {
        Spool spool(disk);
        waiting = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(waiting, "waits for weeks")));
        for (int i = 0; i < 600; ++i) {
            const auto id = spool.store->allocate_id();
            spool.store->enqueue(shared_message(id, std::string(1000, 'x')), nullptr);
            spool.store->finish(id, {}, nullptr);
            spool.run();
            EXPECT_LE(spool.service->statistics().segments, 5u);
        }
        EXPECT_GT(spool.service->statistics().recycled, 5u);
        std::size_t free_count = 0;
        for (const auto& path : disk.files()) free_count += path.starts_with("free/");
        EXPECT_LE(free_count, small_options().free_segments_max);
    }
    Spool spool(disk);
    const auto messages = spool.load();
    ASSERT_EQ(messages.size(), 1u) << "a finished message came back";
    EXPECT_TRUE(messages.contains(waiting));
}

TEST(Segments, none_goes_on_the_strength_of_a_done_that_is_not_certain) {
    FakeDisk disk;
    Spool spool(disk);
    std::vector<MessageId> ids;
    for (int i = 0; i < 70; ++i) {  // more than the first segment
        ids.push_back(spool.store->allocate_id());
        ASSERT_TRUE(spool.enqueue(shared_message(ids.back(), std::string(1000, 'x'))));
    }
    const auto before = disk.events().size();
    for (const auto id : ids) spool.store->finish(id, {}, nullptr);
    spool.run();
    const auto events = disk.events();
    const auto first = events.begin() + static_cast<std::ptrdiff_t>(before);
    const auto written = std::find_if(
        first, events.end(), [](const FakeDisk::Event& event) { return event.what == "write"; });
    const auto moved = std::find_if(first, events.end(), [](const FakeDisk::Event& event) {
        return event.path == "seg/0000000000000001.log" &&
               (event.what == "rename" || event.what == "remove");
    });
    ASSERT_NE(moved, events.end());
    ASSERT_LT(written, moved);
    EXPECT_TRUE(std::any_of(written, moved, [&](const FakeDisk::Event& event) {
        return event.what == "sync" && event.path == written->path;
    }));
}

// A segment that is full of DONEs is not written again and again while their messages' segments
// are needed for others.
TEST(Segments, dones_are_carried_only_where_that_costs_little) {
    FakeDisk disk;
    auto options = small_options();
    options.batch_bytes_max = 8u << 20;
    options.slack_segments = 1000;
    std::set<MessageId> waiting;
    {
        Spool spool(disk, options);
        std::vector<MessageId> ids;
        for (int i = 0; i < 4000; ++i) {
            ids.push_back(spool.store->allocate_id());
            spool.store->enqueue(shared_message(ids.back(), "x"), nullptr);
            if (i % 20 == 19) spool.run();
        }
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (i % 2 == 0) {
                waiting.insert(ids[i]);
                continue;
            }
            ASSERT_TRUE(spool.finish(ids[i]));
        }
        const auto before = disk.written_bytes();
        constexpr std::uint64_t body_bytes = 1000;
        constexpr std::uint64_t count = 600;
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto id = spool.store->allocate_id();
            ASSERT_TRUE(spool.enqueue(shared_message(id, std::string(body_bytes, 'x'))));
            ASSERT_TRUE(spool.finish(id));
        }
        // Twice: once for the zeros of a segment that is made ready.
        EXPECT_LT(disk.written_bytes() - before, count * 2 * (body_bytes + 500));
    }
    Spool spool(disk, options);
    const auto messages = spool.load();
    EXPECT_EQ(messages.size(), waiting.size());
    for (const auto id : waiting) EXPECT_TRUE(messages.contains(id));
}

TEST(Segments, a_done_outlives_the_segment_of_its_message) {
    FakeDisk disk;
    MessageId waiting = 0;
    MessageId finished = 0;
    {
        Spool spool(disk);
        waiting = spool.store->allocate_id();
        finished = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(waiting, "x")));
        ASSERT_TRUE(spool.enqueue(shared_message(finished, "y")));
    }
    // Each start has a segment of its own; the DONE must follow, however many come and go.
    for (int start = 0; start < 4; ++start) {
        Spool spool(disk);
        if (start == 0) {
            ASSERT_TRUE(spool.finish(finished));
        }
        const auto messages = spool.load();
        EXPECT_TRUE(messages.contains(waiting));
        EXPECT_FALSE(messages.contains(finished)) << "start " << start;
        // Something to ride with, and gone again at once.
        const auto id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "z")));
        ASSERT_TRUE(spool.finish(id));
        EXPECT_LE(spool.service->statistics().segments, 3u);
    }
}

TEST(Segments, starts_that_come_to_nothing_leave_no_files_behind) {
    FakeDisk disk;
    for (int start = 0; start < 5; ++start) {
        Spool spool(disk);
        ASSERT_FALSE(spool.error);
        spool.run();
        EXPECT_EQ(spool.service->statistics().segments, 1u);
    }
}

}  // namespace
}  // namespace queue::segment_log
