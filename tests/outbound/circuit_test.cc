// The circuit of a destination, seen from outside.
#include <map>

#include <gtest/gtest.h>

#include "mta/outbound/destination/site_table.h"
#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

conf::Route route(const std::string& host) {
    return {.domain = "them.example", .hosts = {{host, 25}}, .lifetime = {}, .source = {}};
}

TEST(Circuit, a_refused_connection_among_successes_changes_nothing_for_the_others) {
    World world;
    world.settings.routes = {route("192.0.2.1")};
    world.settings.delivery.messages_per_connection_max = 1;
    auto& server = world.server("192.0.2.1");
    for (int i = 0; i < 60; ++i) {
        server.is_refusing = i % 10 == 5;
        world.send();
        world.run_for(1s);
    }
    world.run_for(2min);
    EXPECT_FALSE(world.has<events::DestinationDown>());
    EXPECT_EQ(server.received.size(), 60u);
}

TEST(Circuit, a_server_that_hangs_is_found_out_with_its_first_timeout) {
    World world;
    auto& server = world.serve("them.example");
    world.send();
    world.run_for(20s);
    server.is_hanging = true;
    for (int i = 0; i < 10; ++i) world.send();
    world.run_for(31s);
    EXPECT_FALSE(world.has<events::DestinationDown>()) << "it worked a minute ago";
    world.run_for(30s);
    EXPECT_TRUE(world.has<events::DestinationDown>());
    EXPECT_LE(server.connects + world.connector.tried.size(), 10u);
}

TEST(Circuit, new_mail_for_what_is_down_waits_without_an_attempt) {
    World world;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.send();
    world.run_for(1s);
    const auto tried = world.connector.tried.size();
    for (int i = 0; i < 1000; ++i) world.send();
    world.run_for(5s);
    EXPECT_EQ(world.connector.tried.size(), tried);
}

// To find no such host is final only when the others were asked, too.
TEST(Circuit, mail_that_knows_only_a_host_that_does_not_exist_waits_for_the_others) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.resolver.hosts.erase("mx1.them.example");
    auto& second = world.server("192.0.2.2");
    second.is_hanging = true;
    world.send();
    world.run_for(world.settings.delivery.connect_timeout - 1s);
    world.resolver.delay = 5s;
    world.send();
    world.run_for(30s);
    EXPECT_TRUE(world.has<events::DestinationDown>())
        << "while the second message looked up the first host";
    EXPECT_FALSE(world.has<events::Failed>());
    second.is_hanging = false;
    world.run_for(5min);
    EXPECT_EQ(second.received.size(), 2u);
}

TEST(Circuit, what_comes_back_gets_one_connection_then_two_then_four_and_all_of_the_backlog) {
    World world;
    world.settings.routes = {route("192.0.2.1")};
    auto& server = world.server("192.0.2.1");
    server.is_refusing = true;
    server.latency = 100ms;
    for (int i = 0; i < 2000; ++i) world.send();
    world.run_for(2min);
    server.is_refusing = false;
    std::size_t most = 0;
    std::vector<std::size_t> steps;
    for (int i = 0; i < 2000 && server.received.size() < 2000; ++i) {
        world.run_for(100ms);
        if (server.open > most) steps.push_back(most = server.open);
    }
    ASSERT_GE(steps.size(), 4u);
    EXPECT_EQ(steps[0], 1u);
    EXPECT_LE(steps[1], 2u);
    EXPECT_LE(steps[2], 4u);
    EXPECT_EQ(steps.back(), 20u);
    EXPECT_EQ(server.received.size(), 2000u);
}

TEST(Circuit, the_worst_of_those_in_trouble_come_first) {
    World world;
    world.serve("a.example", "192.0.2.1");
    world.serve("b.example", "192.0.2.2").is_refusing = true;
    world.serve("c.example", "192.0.2.3").is_refusing = true;
    world.send({.to = {"x@a.example"}});
    world.send({.to = {"x@b.example"}});
    for (int i = 0; i < 5; ++i) world.send({.to = {"x@c.example"}});
    world.run_for(1s);
    const auto some = world.desk().destinations_in_trouble(1);
    EXPECT_EQ(some.count, 2u);
    ASSERT_EQ(some.views.size(), 1u);
    EXPECT_EQ(some.views[0].name, "mx.c.example");
    EXPECT_EQ(world.desk().destinations_in_trouble(9).views.size(), 2u);
    const auto busy = world.desk().busy_destinations(2);
    EXPECT_EQ(busy.count, world.destinations().size());
    ASSERT_EQ(busy.views.size(), 2u);
    EXPECT_LT(busy.views[0].name, busy.views[1].name);
}

TEST(Circuit, is_remembered_over_a_restart) {
    World world;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.send();
    world.run_for(10min);
    const auto before = world.destinations("mx.them.example").at(0);
    const auto hints = world.manager().hints();
    EXPECT_EQ(hints.size(), 2u) << "the destination and its address";
    EXPECT_GT(world.manager().hints_version(), 0u);
    world.restart();
    world.manager().restore(hints);
    EXPECT_EQ(world.manager().hints().size(), 2u) << "nor are they forgotten before mail comes";
    const auto tried = world.connector.tried.size();
    for (int i = 0; i < 10; ++i) world.send();
    world.run_until(*before.next_probe - 1ms);
    EXPECT_EQ(world.connector.tried.size(), tried) << "it is not hammered";
    const auto after = world.destinations("mx.them.example").at(0);
    EXPECT_EQ(after.down_since, before.down_since);
    EXPECT_EQ(after.next_probe, before.next_probe);
    EXPECT_EQ(after.last_error, before.last_error);
    server.is_refusing = false;
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 10u);
    const auto last = world.manager().hints();
    ASSERT_EQ(last.size(), 1u);
    EXPECT_FALSE(last[0].trouble) << "only that it answers";
}

TEST(Circuit, what_was_used_of_its_rates_is_remembered_over_a_restart) {
    World world;
    world.settings.sites = {
        {.match = {"*"}, .message_rate = Rate{2, 3600s}, .connection_rate = Rate{2, 3600s}}};
    auto& server = world.serve("them.example");
    Instant first_of_hour = world.start;
    for (int start = 0; start < 10; ++start) {
        const auto version = world.manager().hints_version();
        for (int i = 0; i < 3; ++i) world.send();
        world.run_for(20min);
        const auto& received = server.received;
        const auto in_last_hour = std::ranges::count_if(
            received, [&](const auto& each) { return each.when > world.agenda.now() - 1h; });
        EXPECT_LE(in_last_hour, 2) << "start " << start;
        if (!received.empty() && received.back().when > first_of_hour) {
            EXPECT_GT(world.manager().hints_version(), version);
            first_of_hour = received.back().when;
        }
        const auto hints = world.manager().hints();
        world.restart();
        world.manager().restore(hints);
    }
    EXPECT_GE(server.received.size(), 5u) << "and no less than the rate";
}

TEST(Circuit, a_rate_that_a_wrong_clock_has_used_up_costs_one_turn_at_most) {
    World world;
    world.settings.sites = {{.match = {"*"}, .message_rate = Rate{2, 3600s}}};
    auto& server = world.serve("them.example");
    world.send();
    world.run_for(1s);
    auto hints = world.manager().hints();
    ASSERT_EQ(hints.size(), 1u);
    ASSERT_TRUE(hints[0].rates_taken.messages);
    *hints[0].rates_taken.messages += 10 * 24h;
    hints[0].last_answer += 10 * 24h;
    world.restart();
    world.manager().restore(hints);
    world.send();
    world.run_for(30min + 1s);
    EXPECT_EQ(server.received.size(), 2u);
}

TEST(Circuit, that_was_remembered_for_something_else_is_harmless) {
    World world;
    auto& server = world.serve("them.example");
    Hints hints = {{Hint::Kind::site, "mx another",
                    queue::Health::Trouble{.down_since = {}, .next_probe = {}, .error = {}}},
                   {Hint::Kind::address, "no address at all",
                    queue::Health::Trouble{.down_since = {}, .next_probe = {}, .error = {}}}};
    world.manager().restore(hints);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

// RFC 9422: what a server says of its limits is kept without asking it.
TEST(Limits, of_the_server_are_kept) {
    World world;
    world.resolver.set_mx("two.example", {"mx.them.example"});
    auto& server = world.serve("them.example");
    server.extensions = {"PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=3 RCPTDOMAINMAX=1"};
    world.settings.delivery.idle_timeout = 1min;
    for (int i = 0; i < 4; ++i) {
        world.send({.to = {"a@them.example", "b@two.example", "c@them.example", "d@two.example",
                           "e@them.example"}});
    }
    world.run_for(1min);
    std::size_t recipients = 0;
    std::map<std::size_t, int> mails;
    for (const auto& each : server.received) {
        recipients += each.recipients.size();
        ++mails[each.connection];
        EXPECT_LE(each.recipients.size(), 2u);
        for (const auto& recipient : each.recipients)
            EXPECT_EQ(recipient.substr(recipient.find('@')),
                      each.recipients[0].substr(each.recipients[0].find('@')));
    }
    EXPECT_EQ(recipients, 20u);
    EXPECT_EQ(server.received.size(), 12u) << "3 + 2 recipients of two domains: three turns each";
    for (const auto& [connection, count] : mails) EXPECT_LE(count, 3) << connection;
    for (const auto& command : server.commands) EXPECT_NE(command, "RSET");
    EXPECT_EQ(world.count<events::Delivered>(), 20u);
}

}  // namespace
}  // namespace mta::outbound
