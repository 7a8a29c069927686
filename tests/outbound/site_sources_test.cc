#include "mta/outbound/destination/site_sources.h"

#include <map>

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

conf::Source source(const std::string& name, const std::string& v4, std::uint32_t weight = 1) {
    return {.name = name,
            .pool = "pool",
            .v4 = IpAddress::parse(v4),
            .v6 = {},
            .ehlo = name + ".office.example",
            .weight = weight,
            .senders = {"*"}};
}

constexpr const char* blocked = "554 5.7.1 your IP address is on our block list";

class SiteSourcesTest : public testing::Test {
protected:
    bool refuse(const std::string& name, bool is_v6 = false) {
        return site.refuse(members, {.name = name, .is_v6 = is_v6, .error = {.text = "no"}}, now);
    }
    std::string next(bool is_v6 = false) {
        const auto* chosen = site.next(members, is_v6, now);
        return chosen == nullptr ? "none" : chosen->name;
    }

    std::vector<conf::Source> sources = {source("a", "127.0.0.2"), source("b", "127.0.0.3")};
    SiteSources::Members members = {&sources[0], &sources[1]};
    SiteSources site;
    Instant now{1000h};
};

TEST_F(SiteSourcesTest, takes_turns_by_weight) {
    sources[0].weight = 3;
    std::map<std::string, int> turns;
    for (int i = 0; i < 400; ++i) ++turns[next()];
    EXPECT_EQ(turns["a"], 300);
    EXPECT_EQ(turns["b"], 100);
    EXPECT_EQ(next(true), "none") << "no IPv6";
}

TEST_F(SiteSourcesTest, a_refused_one_is_left_out_until_its_time_is_over) {
    EXPECT_TRUE(refuse("a"));
    EXPECT_TRUE(refuse("a")) << "several connections hear it";
    for (int i = 0; i < 5; ++i) EXPECT_EQ(next(), "b");
    ASSERT_EQ(site.suspensions(now).size(), 1u);
    EXPECT_EQ(site.suspensions(now)[0].until, now + 15min) << "counted once";
    now += 15min;
    EXPECT_TRUE(site.suspensions(now).empty());
    std::map<std::string, int> turns;
    for (int i = 0; i < 10; ++i) ++turns[next()];
    EXPECT_EQ(turns["a"], 5) << "what it missed is not made up for";
    EXPECT_TRUE(refuse("a"));
    EXPECT_EQ(site.suspensions(now)[0].until, now + 30min) << "longer each time";
}

TEST_F(SiteSourcesTest, the_last_one_is_not_suspended) {
    EXPECT_TRUE(refuse("a"));
    EXPECT_FALSE(refuse("b"));
    EXPECT_EQ(next(), "b");
}

TEST_F(SiteSourcesTest, one_of_the_other_family_takes_nothing_over) {
    sources[1].v4.reset();
    sources[1].v6 = IpAddress::parse("::1");
    EXPECT_FALSE(refuse("a"));
    EXPECT_EQ(next(), "a");
}

TEST_F(SiteSourcesTest, when_all_of_a_family_are_left_out_the_one_that_is_back_first_is_used) {
    sources.push_back(source("c", "127.0.0.4"));
    sources[0].v6 = sources[2].v6 = IpAddress::parse("::1");
    sources[2].v4.reset();
    members = {&sources[0], &sources[1], &sources[2]};
    EXPECT_TRUE(refuse("b"));
    now += 5min;
    EXPECT_TRUE(refuse("a", true)) << "c is left to IPv6";
    EXPECT_EQ(next(), "b");
}

TEST_F(SiteSourcesTest, a_success_of_before_the_refusal_makes_no_difference) {
    EXPECT_EQ(next(), "a");
    EXPECT_TRUE(refuse("a"));
    EXPECT_EQ(site.forgotten_at(), now + 15min);
    site.accept("a", now);
    now += 15min;
    EXPECT_TRUE(refuse("a"));
    EXPECT_EQ(site.forgotten_at(), now + 30min);
}

TEST_F(SiteSourcesTest, a_success_makes_the_next_suspension_a_first_one) {
    EXPECT_TRUE(refuse("a"));
    site.accept("a", now);
    EXPECT_TRUE(site.is_suspended("a", now)) << "it runs to its end";
    now += 15min;
    site.accept("a", now);
    EXPECT_TRUE(refuse("a"));
    EXPECT_EQ(site.forgotten_at(), now + 15min);
}

// ---- In the world ----

TEST(Sources, mail_goes_out_from_the_senders_pool_with_its_name) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2"), source("b", "127.0.0.3")};
    world.settings.sources[0].pool = "a";
    world.settings.sources[0].senders = {"office.example"};
    world.settings.sources[1].pool = "b";
    world.settings.sources[1].senders = {".shop.example"};
    auto& server = world.serve("them.example");
    world.send({.from = "x@office.example"});
    world.send({.from = "x@mail.shop.example"});
    world.send({.from = "x@elsewhere.example"});
    world.run_for(2s);
    ASSERT_EQ(server.received.size(), 3u);
    std::map<std::string, std::string> seen;
    for (const auto& each : server.received) seen[each.sender] = each.source;
    EXPECT_EQ(seen["MAIL FROM:<x@office.example>"], "127.0.0.2");
    EXPECT_EQ(seen["MAIL FROM:<x@mail.shop.example>"], "127.0.0.3");
    EXPECT_EQ(seen["MAIL FROM:<x@elsewhere.example>"], "");
    std::map<std::string, int> commands;
    for (const auto& command : server.commands) ++commands[command];
    EXPECT_EQ(commands["EHLO a.office.example"], 1);
    EXPECT_EQ(commands["EHLO b.office.example"], 1);
    EXPECT_EQ(commands["EHLO relay.office.example"], 1);
    EXPECT_EQ(server.connects, 3u) << "mail of different sources shares no connection";
    EXPECT_EQ(world.desk().domain("them.example"), std::nullopt);
}

TEST(Sources, a_route_names_its_pool) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2")};
    world.settings.sources[0].senders = {"office.example"};
    world.settings.sources.push_back(source("line", "127.0.0.9"));
    world.settings.sources[1].pool = "line";
    world.settings.sources[1].senders.clear();
    world.settings.routes = {
        {.domain = "them.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = "line"}};
    auto& server = world.server("192.0.2.1");
    world.send();
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].source, "127.0.0.9");
}

TEST(Sources, that_are_refused_at_any_stage_hand_over_to_the_others) {
    for (const auto* stage : {"CONNECT", "MAIL", "RCPT", "DATA"}) {
        World world;
        world.settings.sources = {source("a", "127.0.0.2"), source("b", "127.0.0.3")};
        auto& server = world.serve("them.example");
        server.reply = [&server, stage](const std::string& said) -> std::optional<std::string> {
            if (!said.starts_with(stage) || server.client != "127.0.0.2") return std::nullopt;
            return blocked;
        };
        for (int i = 0; i < 20; ++i) world.send();
        world.run_for(10s);
        EXPECT_EQ(server.received.size(), 20u) << stage;
        for (const auto& each : server.received) EXPECT_EQ(each.source, "127.0.0.3") << stage;
        EXPECT_EQ(world.count<events::SourceSuspended>("a"), 1u) << stage;
        EXPECT_FALSE(world.has<events::Failed>()) << stage;
        EXPECT_FALSE(world.has<events::Deferred>()) << stage;
        EXPECT_FALSE(world.has<events::DestinationDown>()) << stage;
        EXPECT_EQ(world.manager().check(), "") << stage;
    }
}

TEST(Sources, suspended_at_one_destination_serve_the_others) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2"), source("b", "127.0.0.3")};
    auto& strict = world.serve("them.example", "192.0.2.1");
    auto& other = world.serve("other.example", "192.0.2.2");
    strict.reply = [&strict](const std::string& said) -> std::optional<std::string> {
        return said == "CONNECT" && strict.client == "127.0.0.2"
                   ? std::optional<std::string>(blocked)
                   : std::nullopt;
    };
    world.settings.delivery.messages_per_connection_max = 1;
    for (int i = 0; i < 10; ++i) {
        world.send({.to = {"a@them.example"}});
        world.send({.to = {"b@other.example"}});
    }
    world.run_for(30s);
    EXPECT_EQ(strict.received.size(), 10u);
    std::map<std::string, int> turns;
    for (const auto& each : other.received) ++turns[each.source];
    EXPECT_EQ(turns["127.0.0.2"], 5);
    EXPECT_EQ(turns["127.0.0.3"], 5);
    world.send({.to = {"a@them.example"}});
    const auto views = world.destinations("mx.them.example from pool");
    ASSERT_EQ(views.size(), 1u);
    EXPECT_EQ(views[0].source, "pool");
    ASSERT_EQ(views[0].suspended.size(), 1u);
    EXPECT_EQ(views[0].suspended[0].source, "a");
    EXPECT_EQ(views[0].suspended[0].error.reply_code, 554);
}

TEST(Sources, when_all_are_refused_it_is_an_ordinary_failure) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2"), source("b", "127.0.0.3")};
    auto& server = world.serve("them.example");
    server.reply = always("MAIL", blocked);
    world.send();
    world.run_for(10s);
    EXPECT_EQ(world.count<events::SourceSuspended>(), 1u);
    EXPECT_TRUE(world.has<events::Failed>("bob@them.example 5.7.1")) << "as if there were no pool";
    EXPECT_EQ(server.connects, 2u);
}

TEST(Sources, without_a_pool_a_refusal_is_what_it_is) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("MAIL", blocked);
    world.send();
    world.run_for(1s);
    EXPECT_TRUE(world.has<events::Failed>("bob@them.example 5.7.1"));
    EXPECT_FALSE(world.has<events::SourceSuspended>());
}

TEST(Sources, that_this_machine_does_not_have_are_not_the_other_sides_fault) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2"), source("b", "127.0.0.3")};
    world.connector.unusable_sources = {"127.0.0.2"};
    auto& server = world.serve("them.example");
    for (int i = 0; i < 3; ++i) world.send();
    world.run_for(5s);
    EXPECT_EQ(server.received.size(), 3u);
    EXPECT_TRUE(world.has<events::SourceSuspended>("a"));
    EXPECT_FALSE(world.has<events::DestinationDown>());
    const auto views = world.destinations("mx.them.example from pool");
    ASSERT_EQ(views.size(), 1u);
    EXPECT_TRUE(views[0].unwell.empty());
}

TEST(Sources, have_to_be_of_the_family_of_the_other_side) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2")};
    world.resolver.set_mx("them.example", {"mx.them.example"});
    world.resolver.set_host("mx.them.example", {"2001:db8::1", "192.0.2.1"});
    auto& server = world.server("192.0.2.1");
    world.server("2001:db8::1");
    world.send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.connector.tried.size(), 1u);
    world.run_for(10s);  // until the connection is closed
    world.resolver.set_host("mx.them.example", {"2001:db8::1"});
    const auto id = world.send();
    world.run_for(10s);
    const auto waiting = world.desk().find(id)->recipients.at(0);
    ASSERT_TRUE(waiting.last_error);
    EXPECT_EQ(waiting.last_error->text,
              "the source pool has no IPv6 address from which to reach 2001:db8::1");
}

TEST(Sources, a_reload_without_the_pool_lets_its_mail_go_on) {
    World world;
    world.settings.sources = {source("a", "127.0.0.2")};
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    for (int i = 0; i < 5; ++i) world.send();
    world.run_for(10s);
    auto settings = world.settings;
    settings.sources.clear();
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    server.is_refusing = false;
    world.run_for(10min);
    EXPECT_EQ(server.received.size(), 5u);
    for (const auto& each : server.received) EXPECT_EQ(each.source, "");
    EXPECT_EQ(world.manager().check(), "");
}

}  // namespace
}  // namespace mta::outbound
