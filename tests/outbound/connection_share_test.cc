// The share of the relay's connections that one destination may have.
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

std::string domain(int number) { return "sick" + std::to_string(number) + ".example"; }

// There are twenty connections. Six hosts answer, so that each gets more and more connections; then
// all of them hang.
TEST(ConnectionShare, hosts_that_have_answered_and_hang_leave_others_a_quarter) {
    for (const std::string stage : {"MAIL", "RCPT", "."}) {
        World world;
        world.settings.delivery.connections_max = 20;
        auto& known = world.serve("known.example", "192.0.2.100");
        auto& fresh = world.serve("new.example", "192.0.2.101");
        const auto send_to_all = [&world](int count) {
            for (int i = 0; i < count; ++i)
                for (int number = 0; number < 6; ++number)
                    world.send({.from = "s" + std::to_string(i) + "@office.example",
                                .to = {"u" + std::to_string(i) + "@" + domain(number)}});
        };
        for (int number = 0; number < 6; ++number) {
            auto& host = world.serve(domain(number), "192.0.2." + std::to_string(number + 1));
            host.latency = 100ms;
        }
        world.send({.to = {"bob@known.example"}});
        send_to_all(40);
        world.run_for(1min);
        for (int number = 0; number < 6; ++number)
            world.server("192.0.2." + std::to_string(number + 1)).reply = always(stage, "hang");
        send_to_all(40);
        world.run_for(1s);
        for (int i = 0; i < 120; ++i) {
            world.send({.to = {"bob@known.example"}});
            if (i % 20 == 0) world.send({.to = {"bob@new.example"}});
            world.run_for(6s);
            EXPECT_EQ(known.received.size(), static_cast<std::size_t>(i) + 2) << stage;
            EXPECT_EQ(fresh.received.size(), static_cast<std::size_t>(i) / 20 + 1) << stage;
        }
        EXPECT_EQ(world.manager().check(), "");
        for (int number = 0; number < 6; ++number)
            world.server("192.0.2." + std::to_string(number + 1)).reply = nullptr;
        world.run_for(24h);
        EXPECT_EQ(world.desk().counters().messages, 0u);
    }
}

TEST(ConnectionShare, of_the_only_destination_at_work_is_all) {
    World world;
    world.settings.delivery.connections_max = 8;
    auto& server = world.serve("them.example");
    world.settings.routes = {
        {.domain = "them.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = {}}};
    server.latency = 1s;
    for (int i = 0; i < 200; ++i) world.send();
    world.run_for(30s);
    EXPECT_EQ(server.open_most, 8u);
}

// A destination that had to wait for another connection gets it when others have fewer.
TEST(ConnectionShare, grows_when_others_need_less) {
    World world;
    world.settings.delivery.connections_max = 8;
    auto& slow = world.serve("slow.example", "192.0.2.1");
    auto& other = world.serve("other.example", "192.0.2.2");
    slow.latency = other.latency = 1s;
    world.settings.routes = {
        {.domain = "slow.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = {}},
        {.domain = "other.example", .hosts = {{"192.0.2.2", 25}}, .lifetime = {}, .source = {}}};
    for (int i = 0; i < 300; ++i) world.send({.to = {"a@slow.example"}});
    for (int i = 0; i < 20; ++i) world.send({.to = {"a@other.example"}});
    world.run_for(5s);
    EXPECT_EQ(slow.open + other.open, 6u);
    world.run_for(1min);
    EXPECT_EQ(other.received.size(), 20u);
    EXPECT_EQ(slow.open, 8u);
    EXPECT_EQ(world.manager().check(), "");
}

// A quarter of three is none.
TEST(ConnectionShare, of_three_connections_is_all) {
    World world;
    world.settings.delivery.connections_max = 3;
    auto& one = world.serve("one.example", "192.0.2.1");
    auto& two = world.serve("two.example", "192.0.2.2");
    one.latency = two.latency = 1s;
    world.settings.routes = {
        {.domain = "one.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = {}},
        {.domain = "two.example", .hosts = {{"192.0.2.2", 25}}, .lifetime = {}, .source = {}}};
    for (int i = 0; i < 100; ++i) world.send({.to = {"a@one.example"}});
    for (int i = 0; i < 100; ++i) world.send({.to = {"a@two.example"}});
    world.run_for(5s);
    EXPECT_EQ(one.open + two.open, 3u);
}

}  // namespace
}  // namespace mta::outbound
