// Connections that are kept, and those that are closed to make room, with deliveries around them.
#include "mta/outbound/attempt/connection_pool.h"

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::World;

TEST(ConnectionPool, one_kept_connection_makes_room_for_one) {
    World world;
    world.settings.delivery.connections_max = 3;
    world.settings.delivery.connections_per_destination_max = 1;
    std::vector<world::Server*> kept;
    for (int i = 1; i <= 3; ++i) {
        const auto domain = "kept" + std::to_string(i) + ".example";
        kept.push_back(&world.serve(domain, "192.0.2." + std::to_string(i)));
        kept.back()->latency = 100ms;  // the reply to QUIT comes late
        world.send({.to = {"bob@" + domain}});
        world.run_for(1200ms);
    }
    auto& wanted = world.serve("wanted.example", "192.0.2.4");
    for (int i = 0; i < 4; ++i) {
        world.send({.to = {"bob@wanted.example"}});
        world.run_for(10ms);
    }
    world.run_for(1s);
    EXPECT_EQ(wanted.received.size(), 4u);
    EXPECT_EQ(kept[0]->open, 0u) << "idle longest";
    EXPECT_EQ(kept[1]->open + kept[2]->open, 2u);

    auto& next = world.serve("next.example", "192.0.2.5");
    world.send({.to = {"bob@next.example"}});
    world.run_for(1s);
    EXPECT_EQ(next.received.size(), 1u) << "and again";
    EXPECT_EQ(kept[1]->open, 0u);
    EXPECT_EQ(kept[2]->open, 1u);
}

TEST(ConnectionPool, each_site_has_room_made_for_it_at_the_same_time) {
    World world;
    world.settings.delivery.connections_max = 12;  // of which three for first attempts
    std::vector<world::Server*> wanted;
    for (int i = 1; i <= 12; ++i) {
        const auto domain = "kept" + std::to_string(i) + ".example";
        world.serve(domain, "192.0.2." + std::to_string(i)).reply = world::always("QUIT", "hang");
        world.send({.to = {"bob@" + domain}});
    }
    world.run_for(1s);
    for (int i = 13; i <= 15; ++i) {
        const auto domain = "wanted" + std::to_string(i) + ".example";
        wanted.push_back(&world.serve(domain, "192.0.2." + std::to_string(i)));
        wanted.back()->reply = world::always("QUIT", "hang");
        world.send({.to = {"bob@" + domain}});
    }
    world.run_for(6s);  // the reply to QUIT is awaited for 5 s
    for (const auto* server : wanted) EXPECT_EQ(server->received.size(), 1u);
}

}  // namespace
}  // namespace mta::outbound
