// Mailboxes at which a host hangs or breaks the session.
#include "mta/outbound/destination/suspect_mailboxes.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::Server;
using world::World;

void hang_at(Server& server, const std::vector<std::string>& mailboxes) {
    server.reply = [mailboxes](const std::string& command) -> std::optional<std::string> {
        for (const auto& mailbox : mailboxes)
            if (command.starts_with("RCPT TO:<" + mailbox)) return "hang";
        return std::nullopt;
    };
}

conf::Route route() {
    return {.domain = "them.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = {}};
}

// A message that is sent now is delivered within a second.
void expect_prompt(World& world, const std::string& from) {
    const auto before = world.count<events::Delivered>("bob@them.example");
    world.send({.from = from});
    world.run_for(1s);
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), before + 1);
}

WaitReason reason_of(World& world, queue::MessageId id) {
    return world.desk().find(id)->recipients.at(0).reason;
}

TEST(SuspectMailboxes, that_hang_leave_the_connections_to_other_mail) {
    for (const bool is_static : {false, true}) {
        for (const bool has_answered : {false, true}) {
            for (const std::string from : {"ann@office.example", "other@office.example"}) {
                World world;
                auto& server = world.serve("them.example");
                if (is_static) world.settings.routes = {route()};
                if (has_answered) world.send();
                world.run_for(1min);
                hang_at(server, {"ceo@"});
                for (int i = 0; i < 30; ++i) world.send({.to = {"ceo@them.example"}});
                world.run_for(1s);
                world.send({.from = from});
                world.run_for(30s);
                EXPECT_EQ(world.count<events::Delivered>("bob"), has_answered ? 2u : 1u);
                for (int minute = 0; minute < 180; ++minute) {
                    expect_prompt(world, from);
                    world.run_for(1min);
                }
                EXPECT_EQ(world.manager().check(), "");
                server.reply = {};
                world.run_for(12h);
                EXPECT_EQ(world.count<events::Delivered>("ceo@them.example"), 30u);
                EXPECT_EQ(world.desk().counters().messages, 0u);
            }
        }
    }
}

TEST(SuspectMailboxes, those_who_share_a_message_with_them_do_not_wait) {
    World world;
    auto& server = world.serve("them.example");
    hang_at(server, {"ceo@", "cfo@"});
    world.send({.to = {"ceo@them.example"}});
    world.send({.to = {"cfo@them.example"}});
    world.run_for(1min);
    for (const int others : {1, 50}) {
        std::vector<std::string> to = {"ceo@them.example", "cfo@them.example"};
        for (int i = 0; i < others; ++i)
            to.insert(to.begin() + 1, "u" + std::to_string(i) + "@them.example");
        const auto before = world.count<events::Delivered>("u");
        world.send({.to = to});
        world.run_for(1s);
        EXPECT_EQ(world.count<events::Delivered>("u"), before + static_cast<std::size_t>(others));
    }
    EXPECT_EQ(world.manager().check(), "");
    server.reply = {};
    world.run_for(12h);
    EXPECT_EQ(world.desk().counters().messages, 0u);
    EXPECT_EQ(world.count<events::Delivered>("c"), 6u);
}

TEST(SuspectMailboxes, are_tried_one_message_at_a_time) {
    World world;
    auto& server = world.serve("them.example");
    hang_at(server, {"ceo@"});
    std::vector<queue::MessageId> ids = {world.send({.to = {"ceo@them.example"}})};
    world.run_for(1min);
    for (int i = 0; i < 3; ++i) ids.push_back(world.send({.to = {"ceo@them.example"}}));
    world.run_for(1s);
    EXPECT_EQ(reason_of(world, ids[0]), WaitReason::delivering);
    for (int i = 1; i < 4; ++i) EXPECT_EQ(reason_of(world, ids[i]), WaitReason::mailbox_turn);
    EXPECT_EQ(server.open, 1u);
    EXPECT_EQ(world.manager().check(), "");
    // A message that leaves the queue does not keep the others from their turn.
    world.desk().cancel(ids[1], {});
    world.run_for(5min);
    EXPECT_EQ(reason_of(world, ids[2]), WaitReason::delivering);
    EXPECT_EQ(reason_of(world, ids[3]), WaitReason::mailbox_turn);
    EXPECT_EQ(server.open, 1u);
    world.desk().cancel(ids[2], {});
    world.run_for(5min);
    EXPECT_EQ(reason_of(world, ids[3]), WaitReason::delivering);
}

// With a single connection, other mail goes between two messages for that mailbox.
TEST(SuspectMailboxes, of_a_host_with_one_connection_do_not_have_every_turn) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    hang_at(server, {"ceo@"});
    for (int i = 0; i < 10; ++i) world.send({.to = {"ceo@them.example"}});
    for (int i = 0; i < 10; ++i) world.send();
    world.run_for(5min + 1s);
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 10u);
    EXPECT_EQ(world.count<events::Deferred>("ceo@them.example"), 1u);
}

// More messages stand aside than are looked at in one go, and other mail never stops coming.
TEST(SuspectMailboxes, that_answer_again_get_all_their_mail) {
    World world;
    auto& server = world.serve("them.example");
    hang_at(server, {"ceo@"});
    world.send({.to = {"ceo@them.example"}});
    world.run_for(1min);
    for (int i = 0; i < 250; ++i) world.send({.to = {"ceo@them.example"}});
    world.run_for(1s);
    server.reply = {};
    for (int i = 0; i < 300; ++i) {
        world.send();
        world.run_for(1s);
    }
    EXPECT_GE(world.count<events::Delivered>("ceo@them.example"), 250u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(SuspectMailboxes, are_those_of_the_sender_with_whose_mail_the_session_broke) {
    SuspectMailboxes suspects;
    const std::uint32_t mailbox = 1;
    const queue::SenderGroup ann(1);
    const queue::SenderGroup ben(2);
    const queue::SenderGroup others(3);
    suspects.note_break(mailbox, ann, {});
    suspects.note_answer(mailbox, others);
    suspects.note_break(mailbox, ben, {});
    EXPECT_TRUE(suspects.is_suspected(mailbox, ann));
    EXPECT_TRUE(suspects.is_suspected(mailbox, ben));
    EXPECT_FALSE(suspects.is_suspected(mailbox, others)) << "theirs was answered between the two";
    suspects.note_break(mailbox, ann, {});
    EXPECT_TRUE(suspects.is_suspected(mailbox, others));
    suspects.note_answer(mailbox, ann);
    EXPECT_FALSE(suspects.is_suspected(mailbox, ann));
    EXPECT_TRUE(suspects.is_suspected(mailbox, ben));
    suspects.note_answer(mailbox, ben);
    EXPECT_TRUE(suspects.is_empty());
}

TEST(SuspectMailboxes, are_remembered_for_so_many_senders) {
    SuspectMailboxes suspects;
    for (std::uint32_t sender = 0; sender <= SuspectMailboxes::senders_max; ++sender)
        suspects.note_break(1, queue::SenderGroup(sender), {});
    suspects.note_answer(1, queue::SenderGroup(1000));  // it is no longer suspected for all
    EXPECT_FALSE(suspects.is_suspected(1, queue::SenderGroup(0))) << "the oldest one";
    for (std::uint32_t sender = 1; sender <= SuspectMailboxes::senders_max; ++sender)
        EXPECT_TRUE(suspects.is_suspected(1, queue::SenderGroup(sender))) << sender;
}

TEST(SuspectMailboxes, are_forgotten_an_hour_after_the_last_break_and_if_they_are_too_many) {
    Instant now{};
    const queue::SenderGroup sender(1);
    SuspectMailboxes suspects;
    suspects.note_break(1, sender, now);
    now += SuspectMailboxes::suspected_for - 1ms;
    suspects.forget_old(now);
    EXPECT_TRUE(suspects.is_suspected(1, sender));
    suspects.forget_old(now + 1ms);
    EXPECT_TRUE(suspects.is_empty());
    suspects.note_silence(2, sender, 7, now);
    suspects.forget_old(now + 24h);
    EXPECT_TRUE(suspects.is_held(2, sender)) << "it hangs still";
    for (std::uint32_t i = 0; i < SuspectMailboxes::mailboxes_max; ++i)
        suspects.note_break(100 + i, sender, now);
    EXPECT_FALSE(suspects.is_suspected(2, sender));
    EXPECT_TRUE(suspects.take_change()) << "what stood aside for it may go";
    EXPECT_FALSE(suspects.are_any_held());
}

}  // namespace
}  // namespace mta::outbound
