// A message's added header: with its body in the record and in pieces, over a restart, while its
// pieces are moved, and for those who read the spool's files.
#include <gtest/gtest.h>

#include "queue/segment_log/reading/spool_view.h"
#include "tests/segment_log/log_world.h"
#include "tests/support/fake_disk.h"

namespace queue::segment_log {
namespace {

const std::string added = "X-First: one\r\nX-Second: two\r\n\tand more\r\n";

Message with_added_header(Message message) {
    message.added_header = added;
    message.facts.size += added.size();
    message.facts.header_bytes += static_cast<std::uint32_t>(added.size());
    return message;
}

MessageId enqueue_small(Spool& spool, const std::string& body) {
    const auto id = spool.store->allocate_id();
    const auto message = with_added_header(make_message(id, body));
    EXPECT_TRUE(message.is_body_inline());
    EXPECT_TRUE(spool.enqueue(std::make_shared<const Message>(message)));
    return id;
}

// `is_scattered`: its pieces lie far apart.
MessageId enqueue_large(Spool& spool, const std::string& body, bool is_scattered = false) {
    const auto id = spool.store->allocate_id();
    for (std::size_t at = 0; at < body.size(); at += 10'000) {
        spool.store->append_body(id, body.substr(at, 10'000), nullptr);
        if (is_scattered) {
            const auto between = spool.store->allocate_id();
            spool.store->enqueue(shared_message(between, std::string(40'000, 'x')), nullptr);
            spool.store->finish(between, {}, nullptr);
        }
        spool.run();
    }
    const auto message = with_added_header(*large_message(id, body.size()));
    EXPECT_EQ(message.body_bytes(), body.size());
    EXPECT_TRUE(spool.enqueue(std::make_shared<const Message>(message)));
    return id;
}

void expect_content(Spool& spool, MessageId id, const std::string& content) {
    const std::size_t offsets[] = {
        0, 1, added.size() - 1, added.size(), added.size() + 1, content.size() - 1, content.size()};
    for (const auto offset : offsets) {
        for (const std::uint32_t length : {1U, 20U, 100U, 30'000U}) {
            EXPECT_EQ(spool.read_body(id, offset, length), content.substr(offset, length))
                << offset << ' ' << length;
        }
    }
}

std::string large_body() {
    std::string body;
    for (int i = 0; body.size() < 60'000; ++i) body += std::to_string(i) + "\r\n";
    return body;
}

TEST(AddedHeader, is_read_back_in_front_of_a_small_body_now_and_after_a_restart) {
    FakeDisk disk;
    MessageId id = 0;
    const auto expect_whole = [&](Spool& spool) {
        const auto read = spool.read(id);
        ASSERT_TRUE(read);
        expect_equal(*read->message, with_added_header(make_message(id, "a body")));
        EXPECT_EQ(read->message->inline_content(), added + "a body");
        expect_content(spool, id, added + "a body");
    };
    {
        Spool spool(disk);
        id = enqueue_small(spool, "a body");
        expect_whole(spool);
    }
    Spool spool(disk);
    const auto messages = spool.load();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(to_queued(messages.at(id)).size, added.size() + 6) << "of the content";
    expect_whole(spool);
}

TEST(AddedHeader, is_read_back_in_front_of_a_large_body_now_and_after_a_restart) {
    FakeDisk disk;
    MessageId id = 0;
    const auto body = large_body();
    {
        Spool spool(disk);
        id = enqueue_large(spool, body);
        expect_content(spool, id, added + body);
    }
    Spool spool(disk);
    ASSERT_EQ(spool.load().size(), 1u);
    expect_content(spool, id, added + body);
    EXPECT_EQ(spool.read(id)->message->added_header, added);
}

TEST(AddedHeader, moves_with_its_message_when_segments_are_compacted) {
    FakeDisk disk;
    const auto options = small_options();
    const auto body = large_body();
    MessageId large = 0;
    MessageId small = 0;
    {
        Spool spool(disk, options);
        large = enqueue_large(spool, body, true);
        small = enqueue_small(spool, "a body");
        for (int i = 0; i < 600; ++i) {
            const auto id = spool.store->allocate_id();
            spool.store->enqueue(shared_message(id, std::string(2000, 'y')), nullptr);
            spool.store->finish(id, {}, nullptr);
            spool.run();
        }
        EXPECT_GT(spool.service->statistics().copied_bytes, body.size() / 2);
    }
    Spool spool(disk, options);
    ASSERT_EQ(spool.load().size(), 2u);
    expect_content(spool, large, added + body);
    expect_content(spool, small, added + "a body");
}

TEST(AddedHeader, is_shown_to_readers_of_the_spool_s_files) {
    FakeDisk disk;
    const auto body = large_body();
    MessageId large = 0;
    MessageId small = 0;
    {
        Spool spool(disk);
        large = enqueue_large(spool, body);
        small = enqueue_small(spool, "a body");
    }
    auto view = SpoolView::open(disk, {.history_of = 0, .on_progress = nullptr});
    ASSERT_TRUE(view);
    EXPECT_TRUE((*view)->problems().empty());
    for (const auto& [id, expected] : {std::pair(large, body), {small, std::string("a body")}}) {
        const auto message = (*view)->read(id);
        ASSERT_TRUE(message);
        std::string content;
        const auto read = (*view)->read_body(*message, [&](std::string_view piece) {
            content += piece;
            return true;
        });
        ASSERT_TRUE(read) << read.error().text;
        EXPECT_EQ(content, added + expected);
    }
}

TEST(AddedHeader, costs_a_message_without_one_no_byte) {
    std::string without;
    std::string with;
    put_enqueue(without, make_message(6, "a body"), 0, {});
    put_enqueue(with, with_added_header(make_message(6, "a body")), 0, {});
    EXPECT_EQ(with.size(), without.size() + 4 + added.size());
}

TEST(AddedHeader, that_makes_no_sense_makes_the_record_none) {
    auto message = with_added_header(make_message(6, "a body"));
    std::string payload;
    put_enqueue(payload, message, 0, {});
    ASSERT_TRUE(parse_enqueue(payload));
    EXPECT_LE(payload.size(), enqueue_bytes_max(message, 0));
    for (std::size_t cut = 0; cut < payload.size(); ++cut)
        EXPECT_FALSE(parse_enqueue(std::string_view(payload).substr(0, cut))) << cut;
    const auto length_at = payload.find(added) - 4;
    auto bad = payload;
    bad[length_at] = '\x7f';
    EXPECT_FALSE(parse_enqueue(bad)) << "longer than the record";
    message.facts.size = 3;
    payload.clear();
    put_enqueue(payload, message, 0, {});
    EXPECT_FALSE(parse_enqueue(payload)) << "longer than the content";
}

}  // namespace
}  // namespace queue::segment_log
