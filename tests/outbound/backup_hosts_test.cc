// Hosts of a destination that come after others that do not work.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

enum class By { mx, route };

// So many hosts for them.example, at 192.0.2.1, 192.0.2.2 and so on.
void serve(World& world, By by, int hosts) {
    serve_with_hosts(world, "them.example", hosts);
    if (by == By::mx) return;
    conf::Route route{.domain = "them.example", .hosts = {}, .lifetime = {}, .source = {}};
    for (int i = 1; i <= hosts; ++i)
        route.hosts.push_back({"mx" + std::to_string(i) + ".them.example", 25});
    world.settings.routes = {route};
}

world::Server& host(World& world, int number) {
    return world.server("192.0.2." + std::to_string(number));
}

std::ptrdiff_t tries_of(const World& world, int number) {
    return std::ranges::count(world.connector.tried, "192.0.2." + std::to_string(number) + ":25");
}

DestinationView destination(World& world) { return world.destinations().at(0); }

TEST(BackupHosts, the_one_that_works_is_reached_behind_twelve_that_refuse_in_the_greeting) {
    for (const auto by : {By::mx, By::route}) {
        for (const std::string answer : {"421 4.3.2 not now", "554 5.7.1 not you", "close"}) {
            World world;
            serve(world, by, 13);
            for (int i = 1; i <= 12; ++i) host(world, i).reply = always("CONNECT", answer);
            world.send();
            world.run_for(90s);
            EXPECT_EQ(host(world, 13).received.size(), 1u) << answer;
            EXPECT_LE(world.connector.tried.size(), 15u) << "three attempts of five addresses";
        }
    }
}

TEST(BackupHosts, the_one_that_works_is_reached_behind_five_dead_addresses) {
    for (const bool is_one_host : {false, true}) {
        for (const auto by : {By::mx, By::route}) {
            World world;
            serve(world, by, is_one_host ? 1 : 6);
            if (is_one_host) {
                world.resolver.set_host(
                    "mx1.them.example",
                    {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"});
            }
            for (int i = 1; i <= 6; ++i) host(world, i).is_refusing = i != 6;
            world.send();
            world.run_for(30s);
            EXPECT_EQ(host(world, 6).received.size(), 1u);
        }
    }
}

TEST(BackupHosts, each_is_asked_as_often_as_the_others_while_none_works) {
    World world;
    serve(world, By::mx, 12);
    for (int i = 1; i <= 12; ++i) host(world, i).reply = always("CONNECT", "421 4.3.2 not now");
    world.send();
    for (int turns = 0; turns < 1000 && world.connector.tried.size() < 60; ++turns)
        world.run_for(1min);
    ASSERT_EQ(world.connector.tried.size(), 60u);
    for (int i = 1; i <= 12; ++i) EXPECT_EQ(tries_of(world, i), 5) << i;
}

TEST(BackupHosts, an_order_asks_all_of_them_at_once) {
    for (const auto by : {By::mx, By::route}) {
        World world;
        serve(world, by, 13);
        for (int i = 1; i <= 13; ++i) host(world, i).reply = always("CONNECT", "421 4.3.2 not now");
        world.send();
        world.run_for(1s);
        ASSERT_TRUE(world.has<events::DestinationDown>());
        const auto before = world.connector.tried.size();
        world.flush();
        world.run_for(2s);
        EXPECT_EQ(world.connector.tried.size(), before + 13);
        host(world, 13).reply = nullptr;
        world.flush("them.example");
        world.run_for(2s);
        EXPECT_EQ(host(world, 13).received.size(), 1u);
    }
}

TEST(BackupHosts, an_order_makes_the_probe_under_way_ask_all_of_them) {
    World world;
    serve(world, By::mx, 13);
    for (int i = 1; i <= 12; ++i) host(world, i).reply = always("CONNECT", "421 4.3.2 not now");
    world.send();
    world.run_for(1s);
    ASSERT_TRUE(world.has<events::DestinationDown>());
    host(world, 6).reply = always("CONNECT", "hang");
    world.send();
    world.run_until(*destination(world).next_probe + 1s);
    EXPECT_EQ(world.flush(), 1u) << "the message of the probe is under way";
    host(world, 6).reply = always("CONNECT", "421 4.3.2 not now");
    world.run_for(5min);
    EXPECT_EQ(host(world, 13).received.size(), 2u);
}

TEST(BackupHosts, orders_do_not_move_the_next_probe) {
    World world;
    serve(world, By::route, 3);
    for (int i = 1; i <= 3; ++i) host(world, i).is_refusing = true;
    world.send();
    world.run_for(2min);
    const auto due = *destination(world).next_probe;
    for (int i = 0; i < 5; ++i) {
        const auto before = world.connector.tried.size();
        world.flush();
        world.run_for(100ms);
        EXPECT_EQ(world.connector.tried.size(), before + 3);
        EXPECT_EQ(destination(world).next_probe, due);
    }
}

TEST(BackupHosts, a_message_that_two_hosts_refuse_for_now_is_offered_to_the_third_at_its_retry) {
    for (const std::string stage : {"MAIL", "DATA"}) {
        World world;
        serve(world, By::mx, 3);
        for (int i = 1; i <= 2; ++i) host(world, i).reply = always(stage, "451 4.3.0 disk full");
        world.send();
        world.run_for(2min);
        EXPECT_EQ(host(world, 3).received.size(), 1u) << stage;
    }
}

// Its trials are made with somebody's mail: that waits half a minute at most, and most of it not.
TEST(BackupHosts, one_that_hangs_in_its_greeting_costs_little_once_it_is_known) {
    World world;
    serve(world, By::mx, 2);
    host(world, 1).reply = always("CONNECT", "hang");
    world.settings.retry.delay_notices.clear();
    world.send();
    world.run_for(world.settings.delivery.greeting_timeout + 1s);
    ASSERT_EQ(host(world, 2).received.size(), 1u);
    std::size_t late = 0;
    for (std::size_t i = 0; i < 300; ++i) {
        world.send();
        world.run_for(2s);
        if (host(world, 2).received.size() < i + 2) ++late;
        world.run_for(30s);
        EXPECT_EQ(host(world, 2).received.size(), i + 2);
    }
    EXPECT_LE(late, 30u);
}

TEST(BackupHosts, new_mail_goes_to_the_preferred_host_whatever_it_refused_for_now) {
    World world;
    serve(world, By::mx, 3);
    for (int i = 1; i <= 2; ++i) {
        host(world, i).reply = [](const std::string& command) {
            return command == "MAIL FROM:<poison@office.example>"
                       ? std::optional<std::string>("451 4.3.0 later")
                       : std::nullopt;
        };
    }
    world.send({.from = "poison@office.example"});
    world.run_for(1s);
    ASSERT_EQ(world.count<events::Deferred>(), 1u);
    world.run_for(world.settings.delivery.idle_timeout);
    world.send();
    world.run_for(10s);
    EXPECT_EQ(host(world, 1).received.size(), 1u);
}

}  // namespace
}  // namespace mta::outbound
