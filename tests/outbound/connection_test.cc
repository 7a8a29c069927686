// What becomes of a connection's transactions when it is lost, or we hang up.
#include "mta/outbound/connection.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::World;

TEST(Connection, what_was_taken_is_not_sent_again_when_the_one_behind_it_loses_bdat) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    server.extensions = {"PIPELINING", "CHUNKING"};
    int chunks = 0;
    // The reply to the first message comes in one piece with those to the second.
    server.reply = [&chunks](const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("BDAT") && ++chunks == 2) return "503 5.5.1 not now";
        if (chunks == 1) return "later 250 2.0.0 ok";
        return std::nullopt;
    };
    world.send({.to = {"first@them.example"}});
    world.send({.to = {"second@them.example"}});
    world.run_for(5min);
    ASSERT_EQ(chunks, 2);
    ASSERT_EQ(server.received.size(), 2u) << "each once";
    EXPECT_EQ(server.received[0].recipients[0], "first@them.example");
    EXPECT_EQ(server.received[1].recipients[0], "second@them.example");
    EXPECT_EQ(server.received[1].connection, 2u);
    EXPECT_EQ(std::ranges::count(server.commands, "DATA"), 1) << "without BDAT";
    EXPECT_EQ(world.count("delivered"), 2u);
    EXPECT_EQ(world.count("deferred"), 0u);
    EXPECT_EQ(world.count("down"), 0u);
}

}  // namespace
}  // namespace mta::outbound
