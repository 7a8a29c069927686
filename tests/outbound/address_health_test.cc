#include "mta/outbound/destination/address_health.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

std::size_t tries_of(const World& world, const std::string& endpoint) {
    return static_cast<std::size_t>(std::ranges::count(world.connector.tried, endpoint));
}

TEST(AddressHealth, a_dead_address_among_live_ones_is_passed_over_but_for_its_probes) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.server("192.0.2.1").is_hanging = true;
    auto& second = world.server("192.0.2.2");
    world.settings.delivery.idle_timeout = 1s;
    world.send();
    world.run_for(31s);
    ASSERT_EQ(second.received.size(), 1u) << "after the first one's timeout";
    // A message each 10 s, for 10 minutes: probes of the dead one at growing intervals.
    Millis slowest{0};
    for (int i = 0; i < 60; ++i) {
        const auto sent = world.agenda.now();
        const auto before = second.received.size();
        world.send();
        world.run_for(10s);
        if (second.received.size() > before)
            slowest = std::max(slowest, second.received.back().when - sent);
    }
    world.run_for(1min);
    EXPECT_EQ(second.received.size(), 61u);
    EXPECT_GE(tries_of(world, "192.0.2.1:25"), 4u);
    EXPECT_LE(tries_of(world, "192.0.2.1:25"), 8u) << "1, 15 s, 30 s, 60 s, 120 s, 240 s";
    EXPECT_LE(slowest, 1s) << "who does not probe does not wait";
    EXPECT_FALSE(world.has<events::DestinationDown>()) << "the destination works";
}

TEST(AddressHealth, says_which_addresses_are_unwell_why_and_until_when) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.server("192.0.2.1").is_refusing = true;
    world.send();
    world.run_for(1s);
    const auto views = world.destinations("mx1.them.example,mx2.them.example");
    ASSERT_EQ(views.size(), 1u);
    ASSERT_EQ(views[0].unwell.size(), 1u);
    EXPECT_EQ(views[0].unwell[0].host, "mx1.them.example");
    EXPECT_EQ(views[0].unwell[0].address, "192.0.2.1:25");
    EXPECT_EQ(views[0].unwell[0].error.text, "cannot connect: connection refused");
    EXPECT_GT(views[0].unwell[0].next_try, world.agenda.now());
    EXPECT_LE(views[0].unwell[0].since, world.agenda.now());
}

TEST(AddressHealth, is_the_same_for_all_destinations_that_share_the_address) {
    World world;
    serve_with_hosts(world, "one.example", 2);
    world.resolver.set_mx("two.example", {"mx1.one.example", "mx2.two.example"});
    world.resolver.set_host("mx2.two.example", {"192.0.2.3"});
    world.server("192.0.2.1").is_refusing = true;
    auto& other = world.server("192.0.2.3");
    world.send({.to = {"a@one.example"}});
    world.run_for(1s);
    ASSERT_EQ(tries_of(world, "192.0.2.1:25"), 1u);
    world.send({.to = {"b@two.example"}});
    world.run_for(1s);
    EXPECT_EQ(other.received.size(), 1u);
    EXPECT_EQ(tries_of(world, "192.0.2.1:25"), 1u);
}

TEST(AddressHealth, when_all_are_unwell_the_least_bad_one_is_tried) {
    World world;
    serve_with_hosts(world, "one.example", 1);
    world.resolver.set_mx("two.example", {"mx1.one.example", "backup.two.example"});
    world.resolver.set_host("backup.two.example", {"192.0.2.1"});
    world.server("192.0.2.1").is_refusing = true;
    world.send({.to = {"a@one.example"}});
    world.run_for(1s);
    world.send({.to = {"b@two.example"}});
    world.run_for(1s);
    EXPECT_EQ(tries_of(world, "192.0.2.1:25"), 2u) << "another destination, which has to know";
    EXPECT_TRUE(world.has<events::DestinationDown>("mx1.one.example"));
    EXPECT_TRUE(world.has<events::DestinationDown>("mx1.one.example,backup.two.example"));
}

TEST(AddressHealth, the_least_bad_one_is_that_whose_probe_is_due_first) {
    for (const std::string sooner : {"1", "2"}) {
        World world;
        serve_with_hosts(world, "them.example", 2);
        const std::string later = sooner == "1" ? "2" : "1";
        for (const auto& host : {sooner, later}) {
            world.resolver.set_mx("d" + host + ".example", {"mx" + host + ".them.example"});
            world.server("192.0.2." + host).is_refusing = true;
            world.send({.to = {"a@d" + host + ".example"}});
            world.run_for(4s);
        }
        world.send();
        world.run_for(1s);
        EXPECT_EQ(tries_of(world, "192.0.2." + sooner + ":25"), 2u) << sooner;
        EXPECT_EQ(tries_of(world, "192.0.2." + later + ":25"), 1u) << sooner;
    }
}

TEST(AddressHealth, the_preferred_host_is_used_again_as_soon_as_its_probe_succeeds) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.settings.delivery.idle_timeout = 1s;
    auto& first = world.server("192.0.2.1");
    first.is_refusing = true;
    for (int i = 0; i < 5; ++i) {
        world.send();
        world.run_for(5s);
    }
    first.is_refusing = false;
    world.run_for(1min);
    for (int i = 0; i < 5; ++i) {
        world.send();
        world.run_for(5s);
    }
    EXPECT_EQ(first.received.size(), 5u);
}

TEST(AddressHealth, the_probe_of_a_destination_that_is_down_tries_all_its_addresses) {
    World world;
    serve_with_hosts(world, "them.example", 3);
    for (int i = 1; i <= 3; ++i) world.server("192.0.2." + std::to_string(i)).is_refusing = true;
    world.send();
    world.run_for(1min);
    ASSERT_TRUE(world.has<events::DestinationDown>());
    auto& third = world.server("192.0.2.3");
    third.is_refusing = false;
    world.run_for(2min);
    EXPECT_EQ(third.received.size(), 1u) << "the one that is back is found by the next probe";
}

TEST(AddressHealth,
     probes_of_a_destination_with_many_addresses_do_not_try_the_same_ones_each_time) {
    World world;
    world.settings.delivery.addresses_per_attempt_max = 2;
    world.resolver.set_mx("them.example", {"mx.them.example"});
    world.resolver.set_host("mx.them.example",
                            {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"});
    for (int i = 1; i <= 4; ++i) world.server("192.0.2." + std::to_string(i)).is_refusing = true;
    world.send();
    for (int probes = 0; probes < 20 && world.connector.tried.size() < 12; ++probes)
        world.run_for(1min);
    ASSERT_EQ(world.connector.tried.size(), 12u);
    for (int i = 1; i <= 4; ++i)
        EXPECT_EQ(tries_of(world, "192.0.2." + std::to_string(i) + ":25"), 3u) << i;
}

TEST(AddressHealth, a_host_that_hangs_in_the_dialogue_is_as_bad_as_a_dead_one) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.settings.delivery.idle_timeout = 1s;
    world.server("192.0.2.1").reply = always("MAIL", "hang");
    auto& second = world.server("192.0.2.2");
    world.send();
    world.run_for(5min + 5s);
    ASSERT_EQ(second.received.size(), 1u);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(second.received.size(), 2u);
}

TEST(AddressHealth, an_order_to_flush_tries_unwell_addresses_now) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.settings.delivery.idle_timeout = 1s;
    auto& first = world.server("192.0.2.1");
    first.is_refusing = true;
    world.send();
    world.run_for(3s);
    first.is_refusing = false;
    world.server("192.0.2.2").reply = always("MAIL", "451 4.3.0 later");
    world.send();
    world.run_for(5s);
    EXPECT_EQ(first.received.size(), 0u);
    world.flush("them.example");
    world.run_for(1s);
    EXPECT_EQ(first.received.size(), 1u);
}

TEST(AddressHealth, remembers_no_more_than_it_may) {
    AddressHealth health;
    const Instant now{1000h};
    for (std::uint32_t i = 0; i < limits::addresses_remembered_max + 1000; ++i) {
        const auto byte = [i](int shift) { return static_cast<std::uint8_t>(i >> shift); };
        const Endpoint endpoint{IpAddress::v4({10, byte(16), byte(8), byte(0)}), 25};
        const auto attempt = health.begin(endpoint, now);
        health.failed(attempt, {.error = {}}, now);
    }
    EXPECT_EQ(health.size(), limits::addresses_remembered_max);
    Hints hints;
    health.add_hints(hints);
    EXPECT_EQ(hints.size(), limits::hints_max);
    EXPECT_TRUE(health.may_try({IpAddress::v4({10, 0, 0, 0}), 25}, now))
        << "the oldest is forgotten";
}

// ---- By itself ----

class AddressHealthTest : public testing::Test {
protected:
    // Each has never worked before.
    void fail(const Endpoint& unwell) {
        health.failed(health.begin(unwell, now), {.error = {.text = "refused"}}, now);
    }
    AddressHealth health;
    const Endpoint endpoint{IpAddress::v4({192, 0, 2, 1}), 25};
    Instant now{1000h};
};

TEST_F(AddressHealthTest, a_probe_that_was_broken_off_is_made_again_at_once) {
    fail(endpoint);
    EXPECT_FALSE(health.may_try(endpoint, now));
    now += 1h;
    const auto probe = health.begin(endpoint, now);
    const auto other = health.begin(endpoint, now);
    EXPECT_TRUE(probe.is_probe);
    EXPECT_FALSE(other.is_probe);
    health.learnt_nothing(other, now);
    EXPECT_FALSE(health.may_try(endpoint, now)) << "its probe is under way";
    health.learnt_nothing(probe, now);
    EXPECT_TRUE(health.may_try(endpoint, now));
}

TEST_F(AddressHealthTest, what_was_found_out_since_the_start_counts_more_than_a_hint) {
    const Hint hint{.kind = Hint::Kind::address,
                    .key = to_string(endpoint),
                    .trouble = queue::Health::Trouble{
                        .down_since = now - 1h, .next_probe = now + 1min, .error = {}}};
    health.succeeded(health.begin(endpoint, now), now);
    health.restore(hint, now);
    EXPECT_TRUE(health.may_try(endpoint, now));
}

TEST_F(AddressHealthTest, adds_no_more_hints_than_are_kept) {
    fail(endpoint);
    fail({endpoint.address, 26});
    Hints hints(limits::hints_max - 1);
    health.add_hints(hints);
    EXPECT_EQ(hints.size(), limits::hints_max);
}

}  // namespace
}  // namespace mta::outbound
