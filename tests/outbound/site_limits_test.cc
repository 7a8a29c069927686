#include "mta/outbound/destination/site_limits.h"

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::World;

TEST(SiteLimits, the_first_site_that_names_it_counts) {
    conf::Settings settings;
    settings.sites = {{.match = {"mx1.them.example", ".mx.big.example"}},
                      {.match = {".big.example", "192.0.2.1"}},
                      {.match = {"*"}}};
    EXPECT_EQ(find_site_rule(settings, "mx1.them.example"), 0u);
    EXPECT_EQ(find_site_rule(settings, "a.mx.big.example"), 0u);
    EXPECT_EQ(find_site_rule(settings, "mx.big.example"), 1u);
    EXPECT_EQ(find_site_rule(settings, "192.0.2.1"), 1u);
    EXPECT_EQ(find_site_rule(settings, "big.example"), 2u) << "it is not below itself";
    settings.sites.pop_back();
    EXPECT_EQ(find_site_rule(settings, "big.example"), std::nullopt);
    EXPECT_EQ(first_rule(1, 0), SiteRule(0));
    EXPECT_EQ(first_rule(std::nullopt, 1), SiteRule(1));
    EXPECT_EQ(first_rule(1, std::nullopt), SiteRule(1));
}

TEST(SiteLimits, what_a_site_leaves_out_is_as_everywhere) {
    conf::Settings settings;
    settings.sites = {{.match = {"*"}, .connections_max = 3}};
    const auto limits = site_limits(settings, 0);
    EXPECT_EQ(limits.connections_max, 3u);
    EXPECT_EQ(limits.messages_per_connection_max, settings.delivery.messages_per_connection_max);
    EXPECT_EQ(limits.recipients_per_transaction_max,
              settings.delivery.recipients_per_transaction_max);
    EXPECT_EQ(site_limits(settings, std::nullopt).connections_max,
              settings.delivery.connections_per_destination_max);
}

TEST(SiteLimits, hold_for_the_hosts_and_for_the_domains_of_a_destination) {
    for (const auto* name : {"mx.them.example", ".them.example", "them.example", "*"}) {
        World world;
        world.settings.sites = {{.match = {name},
                                 .connections_max = 1,
                                 .messages_per_connection_max = 2,
                                 .recipients_per_transaction_max = 1}};
        auto& server = world.serve("them.example");
        for (int i = 0; i < 6; ++i) world.send({.to = {"a@them.example", "b@them.example"}});
        world.run_for(10s);
        EXPECT_EQ(server.received.size(), 12u) << name;
        EXPECT_EQ(server.connects, 6u) << name;
        EXPECT_LE(server.open_most, 2u) << "one, and one that is closing";
    }
}

TEST(SiteLimits, a_domain_that_joins_a_destination_brings_its_limits_along) {
    World world;
    world.settings.sites = {{.match = {"two.example"}, .message_rate = Rate{6, 60s}}};
    auto& server = world.serve("one.example");
    world.resolver.set_mx("two.example", {"mx.one.example"});
    world.send({.to = {"a@one.example"}});
    world.send({.to = {"b@two.example"}});
    world.run_for(1s);
    const auto before = server.received.size();
    for (int i = 0; i < 6; ++i) world.send({.to = {"a@one.example"}});
    world.run_for(30s);
    EXPECT_LE(server.received.size(), before + 3);
    world.run_for(1min);
    EXPECT_EQ(server.received.size(), 8u);
}

TEST(SiteLimits, a_message_rate_spreads_the_mail_and_why_says_until_when) {
    World world;
    world.settings.sites = {{.match = {"them.example"}, .message_rate = Rate{6, 60s}}};
    auto& server = world.serve("them.example");
    queue::MessageId last = 0;
    for (int i = 0; i < 12; ++i) last = world.send();
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    const auto waiting = world.desk().find(last)->recipients.at(0);
    EXPECT_EQ(waiting.reason, WaitReason::message_rate);
    ASSERT_TRUE(waiting.until);
    EXPECT_NEAR(static_cast<double>((*waiting.until - world.start).count()), 10'000, 100);
    world.run_for(2min);
    ASSERT_EQ(server.received.size(), 12u);
    for (std::size_t i = 6; i < 12; ++i)
        EXPECT_GE(server.received[i].when - server.received[i - 6].when, 60s - 50ms);
    EXPECT_LE(server.received[11].when - world.start, 111s) << "and no slower than allowed";
}

TEST(SiteLimits, a_connection_rate_leaves_the_open_ones_alone) {
    World world;
    world.settings.sites = {{.match = {"*"}, .connection_rate = Rate{6, 60s}}};
    auto& server = world.serve("them.example");
    for (int i = 0; i < 20; ++i) world.send();
    world.run_for(9s);
    EXPECT_EQ(server.connects, 1u);
    EXPECT_EQ(server.received.size(), 20u) << "all on the first one";
    world.run_for(10s);
    server.is_hanging = true;
    world.send();
    world.run_for(1s);
    const auto second = world.send();
    world.run_for(1s);
    const auto waiting = world.desk().find(second)->recipients.at(0);
    EXPECT_EQ(waiting.reason, WaitReason::connection_rate);
    EXPECT_TRUE(waiting.until && *waiting.until > world.agenda.now());
}

// With one connection an attempt, the second host would never be reached.
TEST(SiteLimits, a_dead_first_host_is_passed_over_at_the_connection_rate) {
    World world;
    world.settings.sites = {{.match = {"*"}, .connection_rate = Rate{1, 60s}}};
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
    world.server("192.0.2.1").is_refusing = true;
    auto& second = world.server("192.0.2.2");
    world.send();
    world.run_for(59s);
    EXPECT_EQ(second.connects, 0u);
    world.run_for(2s);
    EXPECT_EQ(second.received.size(), 1u);
    EXPECT_EQ(world.connector.tried.size(), 2u);
}

TEST(SiteLimits, who_would_expire_before_the_next_connection_does_not_wait_for_it_in_a_delivery) {
    World world;
    world.settings.sites = {{.match = {"*"}, .connection_rate = Rate{1, 3600s}}};
    world.settings.retry.lifetime = 30min;
    serve_with_hosts(world, "them.example", 2);
    world.server("192.0.2.1").is_refusing = true;
    const auto id = world.send();
    world.run_until(world.start + 30min - 1s);
    EXPECT_EQ(world.desk().find(id)->recipients.at(0).state, ViewState::queued);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
}

TEST(SiteLimits, a_second_transaction_of_an_attempt_counts_too) {
    World world;
    world.settings.sites = {{.match = {"*"}, .message_rate = Rate{1, 60s}}};
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
    world.server("192.0.2.1").reply = [](const std::string& command) {
        return command.starts_with("MAIL") ? std::optional<std::string>("451 4.3.0 later")
                                           : std::nullopt;
    };
    auto& second = world.server("192.0.2.2");
    world.send();
    world.run_for(59s);
    EXPECT_EQ(second.connects, 0u);
    world.run_for(2s);
    EXPECT_EQ(second.received.size(), 1u);
    EXPECT_FALSE(world.has<events::Deferred>());
}

TEST(SiteLimits, a_reload_applies_new_ones_to_what_waits_already) {
    World world;
    world.settings.sites = {{.match = {"mx.them.example"}, .message_rate = Rate{1, 3600s}}};
    auto& server = world.serve("them.example");
    for (int i = 0; i < 5; ++i) world.send();
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    auto settings = world.settings;
    settings.sites = {{.match = {"them.example"}, .message_rate = Rate{6, 60s}}};
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.run_for(30s);
    EXPECT_EQ(server.received.size(), 4u);
    settings.sites.clear();
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 5u);
}

TEST(SiteLimits, what_a_rate_remembers_outlives_the_mail) {
    World world;
    world.settings.sites = {{.match = {"*"}, .message_rate = Rate{1, 3600s}}};
    auto& server = world.serve("them.example");
    world.send();
    world.run_for(30min);
    world.send();
    world.run_for(29min);
    EXPECT_EQ(server.received.size(), 1u);
    world.run_for(2min);
    EXPECT_EQ(server.received.size(), 2u);
}

}  // namespace
}  // namespace mta::outbound
