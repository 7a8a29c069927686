// The transactions of a connection that is lost, or that the relay closes.
#include "mta/outbound/attempt/connection.h"

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
    EXPECT_EQ(world.count<events::Delivered>(), 2u);
    EXPECT_EQ(world.count<events::Deferred>(), 0u);
    EXPECT_EQ(world.count<events::DestinationDown>(), 0u);
}

TEST(Connection, a_spool_error_in_a_body_is_not_the_hosts_answer) {
    World world;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.send({.body = std::string(300'000, 'x') + "\r\n", .is_large = true});
    world.run_for(10min);
    ASSERT_EQ(world.count<events::DestinationDown>(), 1u);
    server.is_refusing = false;
    world.store.body_read_error = true;
    world.run_for(1h);
    EXPECT_GE(world.count<events::Unreadable>("1"), 2u);
    EXPECT_LE(world.count<events::Unreadable>("1"), 20u) << "with growing pauses";
    EXPECT_EQ(world.count<events::DestinationUp>(), 0u) << "the host has taken nothing";
    EXPECT_EQ(world.count<events::Deferred>(), 0u);
    EXPECT_EQ(world.store.kept.at(1).states[0].attempts, 0);
    world.store.body_read_error = false;
    world.run_for(3h);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.count<events::DestinationUp>(), 1u);
    EXPECT_EQ(server.open, 0u);
}

TEST(Connection, sends_the_added_header_in_front_of_the_body_and_counts_it) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions = {"SIZE 50000000"};
    const std::string added = "X-Added: yes\r\n";
    const std::string small = "Subject: small\r\n\r\nsmall\r\n";
    const std::string large = "Subject: large\r\n\r\n" + std::string(300'000, 'x') + "\r\n";
    world.send({.body = small, .added_header = added});
    world.run_for(1min);
    world.send({.body = large, .is_large = true, .added_header = added});
    world.run_for(1min);
    ASSERT_EQ(server.received.size(), 2u);
    EXPECT_EQ(server.received[0].body, added + small);
    EXPECT_TRUE(server.received[1].body == added + large);
    const auto sizes = [&](const std::string& content) {
        return std::ranges::count_if(server.commands, [&](const std::string& command) {
            return command.contains("SIZE=" + std::to_string(content.size()));
        });
    };
    EXPECT_EQ(sizes(added + small), 1);
    EXPECT_EQ(sizes(added + large), 1);
}

TEST(Connection, a_body_that_has_shrunk_ends_its_message_with_a_report) {
    World world;
    auto& server = world.serve("them.example");
    const auto id = world.send({.body = std::string(300'000, 'x') + "\r\n", .is_large = true});
    world.store.kept.at(id).body.resize(200'000);
    world.run_for(5s);
    EXPECT_TRUE(server.received.empty());
    EXPECT_TRUE(world.has<events::Unreadable>(std::to_string(id)));
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes[0].error.status, (EnhancedStatus{5, 3, 0}));
    EXPECT_FALSE(world.store.kept.contains(id));
    EXPECT_FALSE(world.desk().find(id));
    EXPECT_EQ(server.open, 0u);
    EXPECT_EQ(world.manager().check(), "");
}

}  // namespace
}  // namespace mta::outbound
