// What has become of a message's recipients, as the log keeps it: a record for those who have
// changed, and now and then one for all.
#include <fstream>
#include <random>
#include <sstream>

#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

LogOptions roomy_options() {
    auto options = small_options();
    options.segment_bytes = 64u << 20;
    options.batch_bytes_max = 8u << 20;
    return options;
}

std::shared_ptr<const Message> message_to(MessageId id, std::uint32_t recipients) {
    auto message = make_message(id, "body");
    message.envelope.requests = {};
    message.envelope.recipients.clear();
    for (std::uint32_t i = 0; i < recipients; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        message.envelope.recipients.push_back({"bob@" + domain, domain, notify_unspecified, ""});
    }
    return std::make_shared<const Message>(std::move(message));
}

StateChanges change_of(std::uint32_t recipients, std::uint32_t number, std::uint16_t attempts) {
    StateChanges changes;
    changes.recipients = recipients;
    auto state = make_states(attempts)[0];
    state.last_error.text += " " + std::to_string(number);
    changes.changes = {{number, state}};
    return changes;
}

std::vector<RecipientState> untried(const Message& message) {
    RecipientState first;
    first.next_due = first_due(message.arrival, message.envelope.requests);
    return std::vector<RecipientState>(message.envelope.recipients.size(), first);
}

void erase_digests(FakeDisk& disk) {
    const auto names = *disk.list("seg");
    for (const auto& name : names)
        if (name.ends_with(".idx")) disk.erase("seg/" + name);
}

TEST(StateChanges, of_a_recipient_who_is_in_both_the_newer_state_counts) {
    auto changes = change_of(10, 3, 1);
    changes.merge(change_of(10, 7, 1));
    changes.merge(change_of(10, 3, 2));
    changes.merge(change_of(10, 0, 5));
    std::vector<RecipientState> states(10);
    ASSERT_TRUE(changes.apply_to(states));
    EXPECT_EQ(changes.changes.size(), 3u);
    EXPECT_EQ(states[0].attempts, 5);
    EXPECT_EQ(states[3].attempts, 2);
    EXPECT_EQ(states[7].attempts, 1);
    EXPECT_EQ(states[9], RecipientState());
}

TEST(StateChanges, of_another_number_of_recipients_are_another_messages) {
    std::vector<RecipientState> states(9);
    EXPECT_FALSE(change_of(10, 3, 1).apply_to(states));
    EXPECT_EQ(states, std::vector<RecipientState>(9));
}

// Were all of them written each time, it would be 140 MB.
TEST(States, cost_what_has_changed_and_not_what_has_not) {
    constexpr std::uint32_t count = 1000;
    FakeDisk disk;
    Spool spool(disk, roomy_options());
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(message_to(id, count)));
    auto expected = untried(*message_to(id, count));
    for (std::uint32_t number = 0; number < count; ++number) {
        const auto change = change_of(count, number, 1);
        ASSERT_TRUE(change.apply_to(expected));
        spool.store->update(id, change, {});
        spool.run();
    }
    EXPECT_EQ(spool.read(id)->states, expected);
    const auto statistics = spool.service->statistics();
    EXPECT_LT(statistics.segment_bytes, 1'000'000u);
    EXPECT_LT(statistics.live_bytes, 500'000u) << "and so much is read at a start";
}

TEST(States, are_put_together_at_a_start_from_the_digests_and_without) {
    constexpr std::uint32_t count = 200;
    std::mt19937_64 rng(1);
    FakeDisk disk;
    MessageId id = 0;
    auto expected = untried(*message_to(1, count));
    auto options = small_options();
    options.segment_bytes = 16u << 10;
    // A start closes the segments that were written: copying from them would put states together.
    auto calm = options;
    calm.slack_segments = 1000;
    calm.young_segments = 1000;
    for (int life = 0; life < 6; ++life) {
        SCOPED_TRACE(life);
        if (life % 2 == 1) erase_digests(disk);
        Spool spool(disk, options);
        if (id == 0) {
            id = spool.store->allocate_id();
            ASSERT_TRUE(spool.enqueue(message_to(id, count)));
        } else {
            ASSERT_EQ(spool.load().at(id).states, expected);
        }
        for (int i = 0; i < 150; ++i) {
            const auto change = change_of(count, static_cast<std::uint32_t>(rng() % count),
                                          static_cast<std::uint16_t>(rng() % 1000));
            ASSERT_TRUE(change.apply_to(expected));
            spool.store->update(id, change, {});
            spool.run();
            if (i % 50 != 0) continue;
            const auto cut = copy_of(disk);
            Spool later(*cut, calm);
            ASSERT_EQ(later.load().at(id).states, expected);
            EXPECT_EQ(later.service->statistics().live_bytes,
                      spool.service->statistics().live_bytes);
        }
        EXPECT_EQ(spool.read(id)->states, expected);
    }
}

TEST(States, of_which_one_is_damaged_still_tell_of_the_others) {
    constexpr std::uint32_t count = 100;
    FakeDisk disk;
    MessageId id = 0;
    auto expected = untried(*message_to(1, count));
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(message_to(id, count)));
        for (std::uint32_t number = 0; number < 10; ++number) {
            const auto change = change_of(count, number, 1);
            if (number != 4) {
                ASSERT_TRUE(change.apply_to(expected));
            }
            spool.store->update(id, change, {});
            spool.run();
        }
        const std::string path = "seg/0000000000000001.log";
        auto bytes = disk.content(path);
        bytes[bytes.find("back later 4")] = 'B';
        disk.put(path, bytes);
        EXPECT_EQ(spool.read(id)->states, expected);
        EXPECT_EQ(spool.service->statistics().damaged_reads, 1u);
    }
    erase_digests(disk);
    Spool spool(disk);
    EXPECT_EQ(spool.service->report().damages.size(), 1u);
    EXPECT_EQ(spool.load().at(id).states, expected);
}

TEST(States, that_are_damaged_are_not_put_together_again_and_again) {
    constexpr std::uint32_t count = 20;
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(message_to(id, count)));
    spool.store->update(id, change_of(count, 4, 1), {});
    spool.run();
    const std::string path = "seg/0000000000000001.log";
    auto bytes = disk.content(path);
    bytes[bytes.find("back later 4")] = 'B';
    disk.put(path, bytes);
    for (int i = 0; i < 200; ++i) {
        spool.store->update(id, change_of(count, 5, 1), {});
        spool.run();
    }
    EXPECT_LE(spool.service->statistics().damaged_reads, 2u);
    EXPECT_EQ(spool.read(id)->states[5].attempts, 1);
}

// A disk that is slow must not let them pile up.
TEST(States, that_wait_to_be_written_become_one_record) {
    constexpr std::uint32_t count = 1000;
    FakeDisk disk;
    Spool spool(disk, roomy_options());
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(message_to(id, count)));
    const auto before = spool.service->statistics();
    const auto report = spool.store->allocate_id();
    auto expected = untried(*message_to(id, count));
    for (std::uint32_t i = 0; i < 50; ++i) {
        const auto change = change_of(count, i % 2, static_cast<std::uint16_t>(i));
        ASSERT_TRUE(change.apply_to(expected));
        spool.store->update(id, change,
                            i == 30 ? std::vector{shared_message(report, "failed")}
                                    : std::vector<std::shared_ptr<const Message>>{});
    }
    bool is_durable = false;
    spool.store->when_durable([&](auto result) { is_durable = result.has_value(); });
    spool.run();
    EXPECT_TRUE(is_durable);
    EXPECT_EQ(spool.read(id)->states, expected);
    EXPECT_TRUE(spool.read(report)) << "reports come along";
    EXPECT_EQ(spool.service->statistics().batches, before.batches + 1);
    EXPECT_LT(spool.service->statistics().segment_bytes, before.segment_bytes + 2000);
}

TEST(States, of_a_message_that_is_finished_take_no_room) {
    constexpr std::uint32_t count = 50;
    FakeDisk disk;
    Spool spool(disk);
    const auto id = spool.store->allocate_id();
    ASSERT_TRUE(spool.enqueue(message_to(id, count)));
    for (std::uint32_t number = 0; number < count; ++number) {
        spool.store->update(id, change_of(count, number, 1), {});
        spool.run();
    }
    ASSERT_TRUE(spool.finish(id));
    EXPECT_EQ(spool.service->statistics().live_bytes, 0u);
}

// Bytes as `hexdump -C` would show them, but for its last column.
std::string bytes_of(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::string bytes;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream words(line);
        std::size_t offset = 0;
        words >> std::hex >> offset;
        bytes.resize(offset, '\0');
        for (unsigned value = 0; words >> value;) bytes += static_cast<char>(value);
    }
    return bytes;
}

// A spool as an older posthouse left it.
void put_old_spool(FakeDisk& disk, int format, const std::string& uuid) {
    ASSERT_TRUE(disk.make_directory("seg"));
    const auto number = std::to_string(format);
    disk.put("VERSION", "posthouse spool " + number + "\n" + uuid);
    disk.put("seg/0000000000000001.log",
             bytes_of("tests/segment_log/data/format_" + number + ".hex"));
}

TEST(FormatOne, is_read_and_becomes_format_three) {
    FakeDisk disk;
    const std::string uuid = "uuid 3dc0ab85-fb53-447e-b562-e17293d423ba\n";
    put_old_spool(disk, 1, uuid);
    for (int start = 0; start < 4; ++start) {
        SCOPED_TRACE(start);
        if (start == 3) erase_digests(disk);
        Spool spool(disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        EXPECT_TRUE(spool.service->report().damages.empty());
        EXPECT_EQ(disk.content("VERSION"), "posthouse spool 3\n" + uuid);
        const auto messages = spool.load();
        ASSERT_EQ(messages.size(), 2u);
        EXPECT_EQ(messages.at(1).states, untried(*messages.at(1).message));
        const auto& [message, states] = messages.at(2);
        EXPECT_EQ(message->envelope.recipients[0].address, "bob@them.example");
        ASSERT_EQ(states.size(), 3u);
        EXPECT_EQ(states[0].last_error.text, "later");
        EXPECT_EQ(states[1].attempts, start < 2 ? 2 : 7);
        EXPECT_EQ(states[1].next_due,
                  start < 2 ? mta::from_unix_ms(1'795'003'200'000) : make_states(7)[0].next_due);
        EXPECT_EQ(states[2].phase, RecipientPhase::held);
        if (start == 1) spool.store->update(2, change_of(3, 1, 7), {});
        spool.run();
    }
}

TEST(FormatTwo, is_read_and_becomes_format_three) {
    FakeDisk disk;
    const std::string uuid = "uuid 01020304-0506-0708-090a-0b0c0d0e0f10\n";
    put_old_spool(disk, 2, uuid);
    for (int start = 0; start < 3; ++start) {
        SCOPED_TRACE(start);
        if (start == 2) erase_digests(disk);
        Spool spool(disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        EXPECT_TRUE(spool.service->report().damages.empty());
        EXPECT_EQ(disk.content("VERSION"), "posthouse spool 3\n" + uuid);
        const auto messages = spool.load();
        ASSERT_EQ(messages.size(), 1u);
        const auto& [message, states] = messages.at(1);
        EXPECT_EQ(message->envelope.recipients.at(0).address, "bob@them.example");
        EXPECT_EQ(message->added_header, "");
        EXPECT_EQ(spool.read(1)->message->body, "Subject: hi\r\n\r\nHi!\r\n");
        ASSERT_EQ(states.size(), 1u);
        EXPECT_EQ(states[0].last_error.text, "later");
        spool.run();
    }
}

}  // namespace
}  // namespace queue::segment_log
