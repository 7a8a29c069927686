// Mail in line follows its domain.
#include "mta/outbound/lifecycle/lines.h"

#include <gtest/gtest.h>

#include "tests/outbound/world.h"
#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::World;

void reload(World& world, const conf::Settings& settings) {
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
}

TEST(Lines, what_waits_for_a_host_that_is_no_longer_the_domains_goes_to_the_new_one) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").is_refusing = true;
    auto& other = world.serve("other.example", "192.0.2.2");
    for (int i = 0; i < 50; ++i) world.send();
    world.send({.to = {"bob@them.example", "carol@other.example"}});
    world.run_for(10min);
    EXPECT_EQ(other.received.size(), 1u);
    world.resolver.set_mx("them.example", {"mx.other.example"});
    world.run_for(2h);
    EXPECT_EQ(other.received.size(), 52u) << "all of it, though no new mail came";
    EXPECT_EQ(world.desk().counters().messages, 0u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(Lines, mail_of_other_domains_stays_with_the_old_host) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").is_refusing = true;
    world.resolver.set_mx("branch.example", {"mx.them.example"});
    auto& other = world.serve("other.example", "192.0.2.2");
    world.send({.to = {"a@them.example", "a@branch.example"}});
    world.send({.to = {"b@branch.example"}});
    world.send({.to = {"c@them.example"}});
    world.run_for(10min);
    world.resolver.set_mx("them.example", {"mx.other.example"});
    world.run_for(3h);
    ASSERT_EQ(other.received.size(), 2u);
    for (const auto& message : other.received)
        EXPECT_TRUE(message.recipients[0].ends_with("@them.example"));
    EXPECT_EQ(world.destinations("mx.them.example").at(0).waiting, 2u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(Lines, what_waits_for_a_domain_that_takes_no_mail_any_more_has_failed) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").is_refusing = true;
    for (int i = 0; i < 5; ++i) world.send({.from = ""});
    world.run_for(10min);
    world.resolver.set_mx("them.example", {""});
    world.run_for(3h);
    EXPECT_EQ(world.count<events::Failed>("bob@them.example 5.1.10"), 5u);
    EXPECT_EQ(world.desk().counters().messages, 0u);
}

TEST(Lines, a_delivery_under_way_while_its_route_changes_goes_the_new_way_next) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.settings.routes = {{.domain = "them.example", .hosts = {{"10.0.0.1", 25}}}};
    world.server("10.0.0.1").is_hanging = true;
    for (int i = 0; i < 20; ++i) world.send();
    world.run_for(10min);
    ASSERT_EQ(world.count<events::DestinationDown>(), 1u);
    const auto probe = world.destinations("10.0.0.1:25").at(0).next_probe;
    ASSERT_TRUE(probe);
    world.run_until(*probe + 5s);
    ASSERT_EQ(world.connector.in_use["10.0.0.1:25"] + world.connector.in_use[""], 1u);
    auto settings = world.settings;
    settings.routes[0].hosts = {{"10.0.0.2", 25}};
    auto& other = world.server("10.0.0.2");
    reload(world, settings);
    world.run_for(10s);
    EXPECT_EQ(other.received.size(), 19u) << "but for the probe";
    world.run_for(10min);
    EXPECT_EQ(other.received.size(), 20u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(Lines, a_route_that_is_taken_away_leaves_its_mail_to_the_dns) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.settings.routes = {{.domain = "them.example", .hosts = {{"10.0.0.1", 25}}}};
    world.server("10.0.0.1").is_hanging = true;
    auto& server = world.serve("them.example");
    world.send();
    world.run_for(1s);
    auto settings = world.settings;
    settings.routes.clear();
    reload(world, settings);
    world.run_for(10min);
    EXPECT_EQ(server.received.size(), 1u);
}

}  // namespace
}  // namespace mta::outbound
