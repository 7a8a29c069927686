// Hosts whose servers end sessions where nobody expects it: whatever they say, the relay lives on,
// and the mail goes when they are sane again.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

TEST(WildHosts, one_that_says_good_bye_right_behind_its_ehlo_is_asked_again_later) {
    for (const std::string behind : {"421 4.3.2 bye", "250 2.0.0 once more", "nonsense"}) {
        World world;
        auto& server = world.serve("them.example");
        server.reply = always("EHLO", "250 them.example\r\n" + behind);
        world.send();
        world.run_for(5min);
        EXPECT_TRUE(server.received.empty());
        EXPECT_EQ(world.manager().check(), "");
        EXPECT_TRUE(world.has<events::DestinationDown>("mx.them.example")) << behind;
        EXPECT_LE(server.connects, 6u) << behind;
        server.reply = nullptr;
        world.run_for(6h);
        EXPECT_EQ(server.received.size(), 1u) << behind;
        EXPECT_EQ(world.count<events::Failed>(), 0u);
    }
}

TEST(WildHosts, mail_for_one_that_never_gets_further_than_its_ehlo_expires) {
    World world;
    world.settings.retry.lifetime = 24h;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    server.reply = always("EHLO", "250 them.example\r\n421 4.3.2 too busy");
    world.send();
    world.run_for(24h + 1h);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
    EXPECT_LE(server.connects, 60u);
}

// Two destinations share a host that has room for two connections and takes one message on each
// (RFC 9422).
TEST(WildHosts, a_session_that_has_had_its_messages_serves_nobody_who_waits_for_the_host) {
    World world;
    world.settings.sites = {{.match = {"mx.shared.example"}, .connections_max = 2}};
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    world.resolver.set_mx("one.example", {"mx.shared.example"});
    world.resolver.set_mx("two.example", {"mx.shared.example", "mx.two.example"});
    auto& server = world.server("192.0.2.1");
    server.extensions = {"PIPELINING", "LIMITS MAILMAX=1"};
    server.latency = 300ms;
    for (int i = 0; i < 12; ++i)
        world.send({.to = {i % 2 == 0 ? "a@one.example" : "a@two.example"}});
    world.run_for(10min);
    EXPECT_EQ(server.received.size(), 12u);
    EXPECT_EQ(server.connects, 12u);
    EXPECT_EQ(world.manager().check(), "");
}

// The first host takes part of a session, the next two are known to be off, the last one is full.
// When the second one, asked before its time, is still off, the last one has room again.
TEST(WildHosts, that_are_off_or_full_or_break_off_in_any_order_lead_nowhere_else) {
    World world;
    world.settings.delivery.connect_timeout = 5min;
    world.settings.sites = {{.match = {"mx4.them.example"}, .connections_max = 1}};
    serve_with_hosts(world, "them.example", 4);
    auto& second = world.server("192.0.2.2");
    auto& last = world.server("192.0.2.4");
    world.resolver.set_mx("off.example", {"mx2.them.example", "mx3.them.example"});
    second.is_hanging = world.server("192.0.2.3").is_refusing = true;
    world.send({.to = {"a@off.example"}});
    world.run_for(4h);
    world.resolver.set_mx("slow.example", {"mx4.them.example"});
    last.latency = 20s;
    world.send({.to = {"a@slow.example"}});
    world.run_for(1s);
    world.server("192.0.2.1").extensions = {};
    const auto message =
        std::make_shared<queue::Message>(*world.message({.to = {"a@them.example"}}));
    message->facts.has_8bit = true;
    world.store.enqueue(message, [](auto) {});
    world.manager().accept(message);
    world.run_for(10min);
    EXPECT_EQ(world.manager().check(), "");
    world.run_for(6h);
    EXPECT_EQ(last.received.size(), 2u);
}

// RFC 5321 lets a server say 421 at any time; that it is out of step is its own addition.
TEST(WildHosts, whatever_they_say_and_where_they_break_off_the_mail_goes_when_they_are_sane) {
    const std::vector<std::string> answers = {"421 4.3.2 bye",
                                              "close",
                                              "451 4.3.0 later",
                                              "421 4.7.0 too many connections",
                                              "250 2.0.0 ok\r\n421 4.3.2 bye",
                                              "250 2.0.0 ok\r\n250 2.0.0 ok",
                                              "500 5.5.1 what?",
                                              "502 5.5.1 no"};
    const std::vector<std::string> extensions = {"PIPELINING", "CHUNKING", "8BITMIME",
                                                 "LIMITS MAILMAX=2"};
    for (unsigned seed = 1; seed <= 30 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const auto one_in = [&](unsigned n) { return random() % n == 0; };
        World world;
        world.serve("client.example", "192.0.2.9");  // the senders: their reports go there
        world.settings.sites = {
            {.match = {"mx1.them.example", "mx3.them.example", "mx4.them.example"},
             .connections_max = 1}};
        serve_with_hosts(world, "them.example", 4);
        world.resolver.set_mx("other.example", {"mx4.them.example", "mx2.them.example"});
        bool are_sane = false;
        for (int i = 1; i <= 4; ++i) {
            auto& server = world.server("192.0.2." + std::to_string(i));
            server.latency = Millis{1 + random() % 300};
            server.extensions.clear();
            for (const auto& keyword : extensions)
                if (!one_in(3)) server.extensions.push_back(keyword);
            server.reply = [&](const std::string& said) -> std::optional<std::string> {
                if (are_sane || !one_in(said == "CONNECT" ? 2 : 5)) return std::nullopt;
                return answers[random() % answers.size()];
            };
        }
        std::size_t sent = 0;
        for (int minute = 0; minute < 120; ++minute) {
            for (const std::string to : {"a@them.example", "b@them.example", "a@other.example"}) {
                if (!one_in(3)) continue;
                world.send(
                    {.from = one_in(2) ? "ada@client.example" : "eve@client.example", .to = {to}});
                ++sent;
            }
            world.run_for(1min);
            ASSERT_EQ(world.manager().check(), "");
        }
        are_sane = true;
        world.run_for(3 * 24h);
        EXPECT_EQ(world.manager().check(), "");
        EXPECT_TRUE(world.store.kept.empty());
        EXPECT_EQ(world.count<events::Delivered>("a@") + world.count<events::Delivered>("b@") +
                      world.count<events::Failed>(),
                  sent);
    }
}

}  // namespace
}  // namespace mta::outbound
