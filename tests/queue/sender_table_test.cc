#include "queue/sender_table.h"

#include <gtest/gtest.h>

#include "queue/message_table.h"

namespace queue {
namespace {

TEST(SenderTable, a_lists_senders_are_one_group) {
    const struct {
        const char* reverse_path;
        const char* group;
    } cases[] = {
        {"", ""},
        {"ann@office.example", "ann@office.example"},
        {"ann+news@office.example", "ann@office.example"},
        {"news+bob=them.example@list.example", "news@list.example"},
        {"news-return-12-bob=them.example@list.example", "news@list.example"},
        {"mary-ann@office.example", "mary-ann@office.example"},
        {"prvs=0123=ann@office.example", "prvs=0123=ann@office.example"},
        {"a=b+c-d@office.example", "a=b@office.example"},
        {"+@office.example", "+@office.example"},
        {"-a=b@office.example", "-a=b@office.example"},
        {"\"a+b@c\"@office.example", "\"a@office.example"},
        {"postmaster", "postmaster"},
    };
    for (const auto& [reverse_path, group] : cases) {
        EXPECT_EQ(sender_group_name(reverse_path), group) << reverse_path;
        EXPECT_EQ(sender_group_name(group), group) << "a group is in no other group";
    }
}

TEST(SenderTable, keeps_each_sender_once_and_while_somebody_has_it) {
    SenderTable table;
    EXPECT_FALSE(table.add(""));
    EXPECT_EQ(table.name({}), "");
    EXPECT_FALSE(table.group({}));
    const auto ann = table.add("ann@office.example");
    EXPECT_EQ(table.add("ann@office.example"), ann);
    EXPECT_EQ(table.name(ann), "ann@office.example");
    EXPECT_TRUE(table.group(ann));
    EXPECT_EQ(table.size(), 1u) << "it is its own group";
    table.release(ann);
    EXPECT_EQ(table.name(ann), "ann@office.example");
    table.release(ann);
    table.release({});
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.name(table.add("bob@office.example")), "bob@office.example");
}

TEST(SenderTable, a_group_lives_as_long_as_one_of_its_senders) {
    SenderTable table;
    const auto to_bob = table.add("news+bob@list.example");
    const auto to_eve = table.add("news+eve@list.example");
    const auto group = table.group(to_bob);
    EXPECT_EQ(table.group(to_eve), group);
    EXPECT_EQ(table.size(), 3u) << "the group has an entry of its own";
    const auto list = table.add("news@list.example");
    EXPECT_EQ(table.size(), 3u) << "somebody sends as the group itself";
    EXPECT_EQ(table.group(list), group);
    table.release(to_bob);
    table.release(list);
    EXPECT_EQ(table.group(to_eve), group);
    EXPECT_EQ(table.group(table.add("news+bob@list.example")), group);
    EXPECT_EQ(table.size(), 3u);
    table.release(to_eve);
    table.release(table.add("news+bob@list.example"));
    EXPECT_EQ(table.size(), 2u);
}

TEST(SenderTable, belongs_to_the_messages_that_are_queued) {
    MessageTable table;
    Message message;
    message.id = 1;
    message.envelope.reverse_path = "news+bob@list.example";
    message.envelope.recipients.push_back({"bob@them.example", "them.example", 0, {}});
    const auto first = table.add(message);
    const auto second = table.add(QueuedMessage{.id = 2,
                                                .arrival = {},
                                                .size = 5'000'000'000'000,
                                                .sender = "news+eve@list.example",
                                                .recipients = {{.domain = "them.example"}}});
    message.id = 3;
    message.envelope.reverse_path = "";
    const auto report = table.add(message);
    EXPECT_EQ(table.sender(table.message(first)), "news+bob@list.example");
    EXPECT_EQ(table.sender_group(table.message(first)), table.sender_group(table.message(second)));
    EXPECT_EQ(table.message(second).size_kib, MessageEntry::size_kib_max)
        << "and not its remainder";
    EXPECT_TRUE(table.message(report).is_null_sender());
    EXPECT_FALSE(table.message(first).is_null_sender());
    for (const auto index : {first, second, report}) table.remove(index);
    EXPECT_EQ(table.senders().size(), 0u);
}

}  // namespace
}  // namespace queue
