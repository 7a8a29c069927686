// Which of a host's addresses are used, and in which order.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Server;
using world::World;

const std::string v4 = "192.0.2.1";
const std::string v6 = "2001:db8::1";
const std::string no_name = "550 5.7.1 we do not take mail from addresses without a PTR record";

Server& over_v4(World& world) { return world.server(v4); }
Server& over_v6(World& world) { return world.server(v6); }

void serve(World& world) {
    world.resolver.set_mx("them.example", {"mx.them.example"});
    world.resolver.set_host("mx.them.example", {v4, v6});
    over_v4(world);
    over_v6(world);
}

std::vector<std::string> tried(conf::IpFamilies ip, bool is_by_site) {
    World world;
    serve(world);
    over_v4(world).is_refusing = over_v6(world).is_refusing = true;
    if (is_by_site) {
        world.settings.sites = {{.match = {"them.example"}, .ip = ip}};
    } else {
        world.settings.delivery.ip = ip;
    }
    world.send();
    world.run_for(1s);
    return world.connector.tried;
}

TEST(IpFamilies, are_used_in_the_order_that_the_configuration_says) {
    using Tried = std::vector<std::string>;
    const std::string at_v4 = v4 + ":25";
    const std::string at_v6 = "[" + v6 + "]:25";
    for (const bool is_by_site : {false, true}) {
        EXPECT_EQ(tried(conf::IpFamilies::v6_first, is_by_site), (Tried{at_v6, at_v4}));
        EXPECT_EQ(tried(conf::IpFamilies::v4_first, is_by_site), (Tried{at_v4, at_v6}));
        EXPECT_EQ(tried(conf::IpFamilies::v6, is_by_site), (Tried{at_v6}));
        EXPECT_EQ(tried(conf::IpFamilies::v4, is_by_site), (Tried{at_v4}));
    }
}

TEST(IpFamilies, that_are_excluded_make_mail_wait_if_the_host_has_no_other) {
    World world;
    serve(world);
    world.resolver.set_host("mx.them.example", {v6});
    world.settings.delivery.ip = conf::IpFamilies::v4;
    world.send();
    world.run_for(1min);
    EXPECT_TRUE(world.connector.tried.empty());
    EXPECT_FALSE(world.has<events::Failed>());
    const auto site = world.destinations().at(0);
    ASSERT_TRUE(site.last_error);
    EXPECT_TRUE(site.last_error->text.contains("excludes IPv6")) << site.last_error->text;
}

TEST(IpFamilies, an_address_that_a_route_names_is_used_whatever_its_family) {
    World world;
    world.settings.delivery.ip = conf::IpFamilies::v4;
    world.settings.routes = {
        {.domain = "them.example", .hosts = {{v6, 25}}, .lifetime = {}, .source = {}}};
    over_v6(world);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(over_v6(world).received.size(), 1u);
}

TEST(IpFamilies, a_refusal_for_want_of_a_name_in_the_dns_goes_on_to_ipv4) {
    for (const std::string stage : {"MAIL", "RCPT", "DATA", "."}) {
        World world;
        serve(world);
        over_v6(world).reply = always(stage, no_name);
        world.send({.to = {"a@them.example", "b@them.example"}});
        world.run_for(2s);
        EXPECT_EQ(world.count<events::Delivered>(), 2u) << stage;
        EXPECT_EQ(over_v4(world).received.size(), 1u) << stage;
        EXPECT_FALSE(world.has<events::Failed>()) << stage;
        const auto at_v6 = over_v6(world).connects;
        world.run_for(1min);
        world.send();
        world.run_for(2s);
        EXPECT_EQ(over_v4(world).received.size(), 2u);
        EXPECT_EQ(over_v6(world).connects, at_v6) << "and IPv4 comes first for a while";
    }
}

TEST(IpFamilies, a_refusal_for_want_of_a_name_is_final_if_there_is_no_ipv4_address_that_works) {
    for (const bool has_v4 : {false, true}) {
        World world;
        serve(world);
        if (!has_v4) world.resolver.set_host("mx.them.example", {v6});
        over_v6(world).reply = always("RCPT", no_name);
        over_v4(world).is_refusing = true;
        world.send();
        world.run_for(2s);
        EXPECT_EQ(world.count<events::Failed>("bob@them.example"), 1u) << has_v4;
    }
}

TEST(IpFamilies, other_refusals_at_an_ipv6_address_are_final) {
    World world;
    serve(world);
    over_v6(world).reply = always("RCPT", "550 5.1.1 no such user");
    world.send();
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Failed>("bob@them.example 5.1.1"), 1u);
    EXPECT_EQ(over_v4(world).connects, 0u);
}

}  // namespace
}  // namespace mta::outbound
