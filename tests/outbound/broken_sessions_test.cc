// Hosts that answer EHLO, and then break the session.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Server;
using world::World;

const std::string poison_sender = "poison@office.example";

// What breaks a session, at each stage of the dialogue.
struct Break {
    std::string stage;
    std::string answer;
};
const std::vector<Break> breaks = {
    {"MAIL", "close"}, {"MAIL", "421 4.3.2 no"}, {"MAIL", "hang"}, {"MAIL", "what?"},
    {"RCPT", "close"}, {"RCPT", "421 4.3.2 no"}, {"RCPT", "hang"}, {"RCPT", "what?"},
    {"DATA", "close"}, {"DATA", "421 4.3.2 no"}, {"DATA", "hang"}, {"DATA", "what?"},
    {".", "close"},    {".", "421 4.3.2 no"},    {".", "hang"},    {".", "what?"},
};

// The server breaks at that stage of each message of that sender's.
void poison(Server& server, const Break& at) {
    struct Talk {
        std::size_t connection = 0;
        std::map<std::size_t, bool> is_poison;  // by connection
    };
    const auto talk = std::make_shared<Talk>();
    server.on_command = [talk](std::size_t connection, const std::string& command) {
        talk->connection = connection;
        if (command.starts_with("MAIL"))
            talk->is_poison[connection] = command.contains(poison_sender);
    };
    server.reply = [talk, at](const std::string& command) {
        const bool is_meant = talk->is_poison[talk->connection] && command.starts_with(at.stage);
        return is_meant ? std::optional(at.answer) : std::nullopt;
    };
}

void poison_mailbox(Server& server, const std::string& answer) {
    server.reply = always("RCPT TO:<ceo@them.example>", answer);
}

conf::Route route() {
    return {.domain = "them.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = {}};
}

TEST(BrokenSessions, a_poisonous_message_does_not_delay_the_mail_of_others) {
    for (const bool is_static : {false, true}) {
        for (const auto& at : breaks) {
            World world;
            auto& server = world.serve("them.example");
            if (is_static) world.settings.routes = {route()};
            poison(server, at);
            world.send({.from = poison_sender});
            for (int minute = 0; minute < 60; ++minute) {
                world.send();
                world.run_for(1min);
                EXPECT_EQ(world.count<events::Delivered>("bob"),
                          static_cast<std::size_t>(minute) + 1)
                    << at.stage << ' ' << at.answer;
            }
            EXPECT_FALSE(world.has<events::DestinationDown>()) << at.stage << ' ' << at.answer;
            EXPECT_GE(world.count<events::Deferred>() + world.count<events::InDoubt>(), 3u)
                << "the poison is charged";
        }
    }
}

TEST(BrokenSessions, a_poisonous_mailbox_does_not_delay_the_mail_of_others) {
    for (const std::string answer : {"close", "421 4.3.2 no", "hang"}) {
        World world;
        poison_mailbox(world.serve("them.example"), answer);
        // Of those at which it hangs two hold all connections for half a minute.
        const std::size_t poison = answer == "hang" ? 1 : 5;
        for (std::size_t i = 0; i < poison; ++i) world.send({.to = {"ceo@them.example"}});
        world.send();
        world.run_for(5s);
        EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 1u) << answer;
        world.run_for(20min);
        EXPECT_FALSE(world.has<events::DestinationDown>()) << answer;
        EXPECT_GE(world.count<events::Deferred>("ceo@them.example"), poison) << answer;
    }
}

TEST(BrokenSessions, mail_of_many_to_one_poisonous_mailbox_does_not_slow_the_destination_down) {
    for (const std::string answer : {"close", "421 4.3.2 no"}) {
        World world;
        poison_mailbox(world.serve("them.example"), answer);
        for (int i = 0; i < 15; ++i)
            world.send({.from = "s" + std::to_string(i % 4) + "@office.example",
                        .to = {"ceo@them.example"}});
        for (int i = 0; i < 15; ++i) world.send();
        world.run_for(5s);
        EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 15u) << answer;
    }
}

TEST(BrokenSessions, a_poisonous_mailbox_does_not_keep_the_message_from_its_other_recipients) {
    for (const bool is_pipelining : {false, true}) {
        for (const std::string answer : {"close", "421 4.3.2 no"}) {
            World world;
            auto& server = world.serve("them.example");
            server.extensions.clear();
            if (is_pipelining) server.extensions = {"PIPELINING"};
            poison_mailbox(server, answer);
            world.send({.to = {"a@them.example", "ceo@them.example", "b@them.example"}});
            world.run_for(2min);
            EXPECT_EQ(world.count<events::Delivered>("a@them.example"), 1u) << answer;
            EXPECT_EQ(world.count<events::Delivered>("b@them.example"), 1u) << answer;
            EXPECT_GE(world.count<events::Deferred>("ceo@them.example"), 1u) << answer;
        }
    }
}

TEST(BrokenSessions, who_stood_behind_the_poison_on_the_same_connection_is_not_charged) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    poison(server, {".", "421 4.3.2 no"});
    world.send({.from = poison_sender});
    for (int i = 0; i < 5; ++i) world.send();
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 5u);
    EXPECT_EQ(world.count<events::Deferred>("bob@them.example"), 1u);
}

TEST(BrokenSessions, the_mail_of_an_outage_does_not_wait_for_the_poison_in_front_of_it) {
    for (const auto& at : breaks) {
        World world;
        auto& server = world.serve("them.example");
        poison(server, at);
        server.is_refusing = true;
        world.send({.from = poison_sender});
        for (int i = 0; i < 20; ++i) world.send();
        world.run_for(2min);
        ASSERT_TRUE(world.has<events::DestinationDown>());
        server.is_refusing = false;
        world.run_for(at.answer == "hang" ? 15min : 5min);
        EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 20u)
            << at.stage << ' ' << at.answer;
    }
}

TEST(BrokenSessions, another_host_gets_what_the_first_one_breaks) {
    for (const auto& at : breaks) {
        if (at.stage == "." && at.answer != "421 4.3.2 no") continue;  // it is in doubt
        World world;
        serve_with_hosts(world, "them.example", 2);
        world.server("192.0.2.1").reply = always(at.stage, at.answer);
        world.send();
        // The first one may be silent twice: with PIPELINING and without.
        world.run_for(11min);
        EXPECT_EQ(world.server("192.0.2.2").received.size(), 1u) << at.stage << ' ' << at.answer;
        EXPECT_EQ(world.count<events::Deferred>(), 0u);
    }
}

TEST(BrokenSessions, of_several_senders_slow_the_destination_down_until_it_works) {
    World world;
    world.settings.routes = {route()};
    auto& server = world.server("192.0.2.1");
    server.reply = always("DATA", "close");
    for (int i = 0; i < 100; ++i) world.send({.from = std::to_string(i) + "@office.example"});
    world.run_for(10s);
    EXPECT_FALSE(world.has<events::DestinationDown>());
    const auto early = server.connects;
    EXPECT_LE(early, 10u);
    server.open_most = 0;
    world.run_for(20min);
    EXPECT_EQ(server.open_most, 1u) << "one at a time";
    EXPECT_LE(server.connects - early, 12u) << "at growing intervals,";
    EXPECT_GE(server.connects - early, 4u) << "but never closed";
    const auto queued = world.desk().find(100);
    ASSERT_TRUE(queued);
    EXPECT_EQ(queued->recipients.at(0).reason, WaitReason::destination_slowed);
    EXPECT_LE(queued->recipients.at(0).until, world.agenda.now() + 330s);
    server.reply = nullptr;
    world.run_for(6min);
    EXPECT_GE(server.received.size(), 90u) << "all but those that wait for their own retry";
}

TEST(BrokenSessions, an_order_ends_the_pause_of_a_destination_that_is_slowed_down) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("DATA", "close");
    for (int i = 0; i < 20; ++i) world.send({.from = std::to_string(i) + "@office.example"});
    world.run_for(5min);
    server.reply = nullptr;
    world.flush();
    world.run_for(2s);
    EXPECT_EQ(server.received.size(), 20u);
}

// As many as the destination may have connections at first.
TEST(BrokenSessions, messages_that_hang_do_not_delay_other_mail_for_more_than_half_a_minute) {
    for (const bool is_static : {false, true}) {
        for (const auto& at : breaks) {
            if (at.answer != "hang") continue;
            World world;
            auto& server = world.serve("them.example");
            if (is_static) world.settings.routes = {route()};
            // Nothing stands behind a message whose answer is missing.
            server.extensions.clear();
            poison(server, at);
            world.send();
            world.run_for(1min);
            for (int i = 0; i < (is_static ? 5 : 2); ++i) world.send({.from = poison_sender});
            world.run_for(1s);
            for (int i = 0; i < 20; ++i) world.send();
            world.run_for(30s);
            EXPECT_EQ(world.count<events::Delivered>("bob"), 21u) << at.stage << ' ' << is_static;
            EXPECT_EQ(world.manager().check(), "");
            for (int i = 0; i < 20; ++i) world.send();
            world.run_for(1s);
            EXPECT_EQ(world.count<events::Delivered>("bob"), 41u) << at.stage << ' ' << is_static;
            EXPECT_FALSE(world.has<events::DestinationDown>());
        }
    }
}

TEST(BrokenSessions, five_messages_that_hang_at_one_mailbox_cost_other_mail_two_minutes_at_most) {
    World world;
    auto& server = world.serve("them.example");
    world.send();
    world.run_for(1min);
    poison_mailbox(server, "hang");
    for (int i = 0; i < 5; ++i) world.send({.to = {"ceo@them.example"}});
    world.send();
    world.run_for(2min + 1s);
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 2u);
}

// All mail is of one sender. A recipient that was accepted before the host hung at another one, or
// that comes after that one in the envelope, does not wait for later messages.
TEST(BrokenSessions,
     who_shares_a_message_with_a_mailbox_that_hangs_does_not_wait_behind_later_mail) {
    for (const bool is_behind : {false, true}) {
        World world;
        auto& server = world.serve("them.example");
        server.extensions.clear();
        poison_mailbox(server, "hang");
        world.send();
        world.run_for(1min);
        std::vector<std::string> to = {"ceo@them.example", "ann@them.example"};
        if (!is_behind) std::swap(to[0], to[1]);
        world.send({.to = to});
        for (int i = 0; i < 30; ++i) world.send({.to = {"ceo@them.example"}});
        world.run_for(6min);
        EXPECT_EQ(world.count<events::Delivered>("ann@them.example"), 1u) << is_behind;
    }
}

// The host hangs at every other recipient: those that it had accepted get the next turn, the rest
// gets it once, and then other mail goes first.
TEST(BrokenSessions, a_message_with_many_mailboxes_that_hang_does_not_have_every_turn) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    server.extensions.clear();
    server.reply = [](const std::string& command) {
        return command.starts_with("RCPT TO:<hang") ? std::optional<std::string>("hang")
                                                    : std::nullopt;
    };
    std::vector<std::string> to;
    for (int i = 0; i < 10; ++i) {
        to.push_back("ann" + std::to_string(i) + "@them.example");
        to.push_back("hang" + std::to_string(i) + "@them.example");
    }
    world.send({.to = to});
    world.send();
    world.run_for(11min);
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 1u);
    EXPECT_EQ(world.count<events::Delivered>("ann"), 2u);
    world.run_for(2h);
    EXPECT_EQ(world.count<events::Delivered>("ann"), 10u);
}

TEST(BrokenSessions, a_host_that_is_silent_to_all_gets_four_connections_more) {
    for (const bool has_answered : {true, false}) {
        for (const std::string stage : {"RCPT", "."}) {
            World world;
            auto& server = world.serve("them.example");
            if (has_answered) world.send();
            world.run_for(1min);
            server.reply = always(stage, "hang");
            for (int i = 0; i < 100; ++i) world.send();
            world.run_for(20min);
            EXPECT_LE(server.open_most, has_answered ? 6u : 2u) << stage;
            EXPECT_EQ(world.manager().check(), "");
        }
    }
}

TEST(BrokenSessions, that_hang_count_in_the_configured_maximum) {
    World world;
    world.settings.delivery.connections_per_destination_max = 4;
    auto& server = world.serve("them.example");
    poison(server, {"RCPT", "hang"});
    for (int i = 0; i < 600; ++i) {
        world.send({.from = i % 3 == 0 ? poison_sender : "ann@office.example"});
        world.run_for(1s);
    }
    EXPECT_EQ(server.open_most, 4u);
}

// It is not asked for another one again and again.
TEST(BrokenSessions, a_host_that_hangs_and_takes_two_connections_is_left_with_them) {
    World world;
    auto& server = world.serve("them.example");
    world.send();
    world.run_for(1min);
    server.reply = [&server](const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("RCPT")) return "hang";
        if (command == "CONNECT" && server.open > 2) return "421 4.7.0 too many connections";
        return std::nullopt;
    };
    for (int i = 0; i < 20; ++i) world.send();
    world.run_for(4min);
    EXPECT_LE(server.connects, 5u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(BrokenSessions, that_hang_do_not_hold_the_connections_that_others_need) {
    for (const auto& at : breaks) {
        if (at.answer != "hang") continue;
        World world;
        world.settings.delivery.connections_max = 10;
        world.serve("hostile.example", "192.0.2.2").reply = always(at.stage, at.answer);
        auto& good = world.serve("good.example", "192.0.2.3");
        for (int i = 0; i < 200; ++i) {
            world.send(
                {.from = std::to_string(i) + "@office.example", .to = {"x@hostile.example"}});
        }
        for (int i = 0; i < 60; ++i) {
            world.run_for(1min);
            world.send({.to = {"x@good.example"}});
            world.run_for(1s);
            EXPECT_EQ(good.received.size(), static_cast<std::size_t>(i) + 1) << at.stage;
        }
    }
}

}  // namespace
}  // namespace mta::outbound
