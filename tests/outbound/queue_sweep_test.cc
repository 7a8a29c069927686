#include "mta/outbound/desk/queue_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::World;

QueueSweep walk(World& world, std::size_t step, std::size_t* steps = nullptr) {
    QueueSweep sweep;
    std::size_t taken = 0;
    for (; !sweep.is_done && taken < 10'000; ++taken) world.desk().sweep(sweep, step);
    EXPECT_TRUE(sweep.is_done);
    if (steps != nullptr) *steps = taken;
    return sweep;
}

std::size_t depth(const DestinationDepth& destination, Trouble trouble) {
    return destination.depth.by_trouble[static_cast<std::size_t>(trouble)];
}

TEST(QueueSweep, finds_depth_age_and_troubles_of_destinations) {
    World world;
    world.serve("them.example").reply = [](const std::string& command) {
        return command.starts_with("RCPT") && !command.contains("<ok@")
                   ? std::optional<std::string>("450 4.2.1 later")
                   : std::nullopt;
    };
    world.serve("down.example", "192.0.2.2").is_refusing = true;
    const auto first = world.agenda.now();
    world.send({.to = {"a@them.example", "b@them.example", "ok@them.example"}});
    world.run_for(5s);
    const auto held = world.send({.to = {"c@them.example"}});
    world.send({.to = {"d@down.example"}});
    world.run_for(5s);
    world.desk().hold(held, {});

    std::size_t steps = 0;
    const auto summary = world.desk().summarize(walk(world, 1, &steps), 10);
    EXPECT_GE(steps, 3u) << "a message a step";
    ASSERT_EQ(summary.destinations.size(), 2u);
    const auto& deepest = summary.destinations[0];
    EXPECT_EQ(deepest.view.name, "mx.them.example");
    EXPECT_EQ(deepest.depth.recipients, 3u);
    EXPECT_EQ(deepest.depth.oldest, first);
    EXPECT_EQ(depth(deepest, Trouble::refused), 2u);
    EXPECT_EQ(depth(deepest, Trouble::held), 1u);
    const auto& down = summary.destinations[1];
    EXPECT_EQ(down.view.name, "mx.down.example");
    EXPECT_EQ(down.depth.oldest, first + 5s);
    EXPECT_TRUE(down.view.down_since);
    EXPECT_EQ(summary.others_count, 0u);
    EXPECT_EQ(summary.others.depth.recipients, 0u);
}

TEST(QueueSweep, puts_the_deepest_and_the_oldest_in_front_and_the_rest_together) {
    World world;
    // The later, the more: d0 has the oldest message, d9 the most.
    std::size_t all = 0;
    for (int i = 0; i < 10; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        world.serve(domain, "192.0.2." + std::to_string(i + 1)).is_refusing = true;
        for (int n = 0; n <= i; ++n, ++all) world.send({.to = {"bob@" + domain}});
        world.run_for(1s);
    }
    const auto summary = world.desk().summarize(walk(world, 7), 2);
    ASSERT_EQ(summary.destinations.size(), 4u);
    EXPECT_EQ(summary.destinations[0].view.name, "mx.d9.example");
    EXPECT_EQ(summary.destinations[1].view.name, "mx.d8.example");
    EXPECT_EQ(summary.destinations[2].view.name, "mx.d0.example");
    EXPECT_EQ(summary.destinations[3].view.name, "mx.d1.example");
    EXPECT_EQ(summary.others_count, 6u);
    auto seen = summary.others.depth.recipients;
    for (const auto& destination : summary.destinations) seen += destination.depth.recipients;
    EXPECT_EQ(seen, all);
}

TEST(QueueSweep, names_a_domain_whose_destination_is_not_known) {
    World world;
    world.resolver.mx.emplace(
        "dark.example",
        world::FakeResolver::error("SERVFAIL", world::FakeResolver::Kind::timed_out));
    world.send({.to = {"bob@dark.example"}});
    world.run_for(5s);
    const auto summary = world.desk().summarize(walk(world, 100), 5);
    ASSERT_EQ(summary.destinations.size(), 1u);
    EXPECT_EQ(summary.destinations[0].view.name, "dark.example");
    EXPECT_EQ(summary.destinations[0].depth.recipients, 1u);
}

TEST(QueueSweep, latencies_are_counted) {
    World world;
    world.serve("them.example");
    world.send();
    world.run_for(1s);
    const auto latencies = world.desk().latencies();
    EXPECT_EQ(latencies.delivery.count(), 1u);
    EXPECT_EQ(latencies.connect.count(), 1u);
    EXPECT_EQ(latencies.hello.count(), 1u);
    EXPECT_EQ(latencies.transaction.count(), 1u);
    EXPECT_GT(latencies.delivery.sum, 0ms);
}

TEST(QueueSweep, tells_troubles_apart) {
    World world;
    const std::pair<Scope, Trouble> rows[] = {{Scope::domain, Trouble::dns},
                                              {Scope::host, Trouble::connection},
                                              {Scope::message, Trouble::refused},
                                              {Scope::recipient, Trouble::refused}};
    queue::QueuedMessage message{.id = 1, .arrival = world.start};
    queue::RecipientState state;
    state.next_due = world.start + 1h;
    for (const auto& [scope, trouble] : rows) {
        state.last_error = {.status = {4, 0, 0}, .scope = scope, .text = "later"};
        message.recipients.push_back({.domain = "them.example", .state = state});
    }
    state.in_doubt = true;
    message.recipients.push_back({.domain = "them.example", .state = state});
    state = {.next_due = state.next_due};
    message.recipients.push_back({.domain = "them.example", .state = state});
    world.manager().load(message);
    const auto summary = world.desk().summarize(walk(world, 1), 1);
    ASSERT_EQ(summary.destinations.size(), 1u);
    const auto& found = summary.destinations[0];
    EXPECT_EQ(depth(found, Trouble::dns), 1u);
    EXPECT_EQ(depth(found, Trouble::connection), 1u);
    EXPECT_EQ(depth(found, Trouble::refused), 2u);
    EXPECT_EQ(depth(found, Trouble::in_doubt), 1u);
    EXPECT_EQ(depth(found, Trouble::none), 1u);
}

TEST(QueueSweep, adds_up_the_domains_of_a_destination_and_the_connections_of_the_others) {
    World world;
    for (int i = 0; i < 3; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        auto& server = world.serve(domain, "192.0.2." + std::to_string(i + 1));
        server.reply = [](const std::string& command) {
            return command.starts_with("MAIL") ? std::optional<std::string>("hang") : std::nullopt;
        };
    }
    world.resolver.set_mx("also.example", {"mx.d2.example"});
    for (const auto* to : {"a@d0.example", "a@d1.example", "a@d2.example", "a@also.example"}) {
        world.send({.to = {to}});
        world.run_for(1s);
    }
    const auto summary = world.desk().summarize(walk(world, 100), 1);
    ASSERT_EQ(summary.destinations.size(), 2u);
    EXPECT_EQ(summary.destinations[0].view.name, "mx.d2.example");
    EXPECT_EQ(summary.destinations[0].depth.recipients, 2u);
    EXPECT_EQ(summary.destinations[1].view.name, "mx.d0.example");
    EXPECT_EQ(summary.others_count, 1u);
    EXPECT_EQ(summary.others.view.connections, 1u);
}

}  // namespace
}  // namespace mta::outbound
