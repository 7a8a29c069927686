#include "queue/log/log_store.h"

#include "tests/queue/log_world.h"

namespace queue::log {
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
    EXPECT_EQ(stored->states[0].next_due, message->arrival);
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

}  // namespace
}  // namespace queue::log
