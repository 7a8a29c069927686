#include "mta/outbound/destination/site_plan.h"

#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

conf::Route route(const std::string& host) {
    return {.domain = "them.example", .hosts = {{host, 25}}, .lifetime = {}, .source = {}};
}

MxLookup mx(std::vector<dns::MxRecord> records) {
    dns::MxAnswer answer;
    answer.records = std::move(records);
    return std::make_shared<const dns::Lookup<dns::MxAnswer>>(std::move(answer));
}

TEST(SitePlan, what_makes_a_destination_is_its_hosts_its_source_and_its_tls_policy) {
    const SiteIdentity plain{.next_hop = "mx mx1.them.example"};
    const SiteIdentity identities[] = {
        plain,
        {.next_hop = "mx mx2.them.example"},
        {.next_hop = "mx mx1.them.example", .source = "pool"},
        {.next_hop = "mx mx1.them.example", .tls_policy = "pool"},
        {.next_hop = "mx mx1.them.example", .source = "pool", .tls_policy = "verify"}};
    std::map<std::string, int> keys;
    for (const auto& identity : identities) ++keys[site_key(identity)];
    EXPECT_EQ(keys.size(), std::size(identities));
    EXPECT_EQ(site_key(plain), site_key({.next_hop = "mx mx1.them.example"}));
    EXPECT_NE(plan_for_route(route("a.example")).key, plan_for_literal("a.example:25").key);
    EXPECT_NE(plan_for_route(route("a.example")).key, plan_for_route(route("a.example"), "x").key);
}

TEST(SitePlan, domains_with_the_same_mx_hosts_in_the_same_order_share_a_destination) {
    const auto one = plan_for_mx("one.example", mx({{10, "mx1.example"}, {20, "mx2.example"}}));
    const auto two = plan_for_mx("two.example", mx({{7, "mx2.example"}, {5, "mx1.example"}}));
    EXPECT_EQ(one.key, two.key);
    EXPECT_EQ(one.name, "mx1.example,mx2.example");
    const auto equals = plan_for_mx("three.example", mx({{5, "mx2.example"}, {5, "mx1.example"}}));
    EXPECT_EQ(equals.name, "mx1.example/mx2.example");
    EXPECT_NE(equals.key, one.key);
}

TEST(SitePlan, a_domain_without_mx_records_is_its_own_host) {
    const auto none = std::make_shared<const dns::Lookup<dns::MxAnswer>>(
        std::unexpected(dns::LookupError{dns::LookupError::Kind::no_data, "no MX"}));
    EXPECT_EQ(plan_for_mx("a.example", none).name, "a.example");
}

TEST(SitePlan, only_the_hosts_of_a_route_are_static) {
    EXPECT_TRUE(plan_for_route(route("a.example")).is_static());
    EXPECT_FALSE(plan_for_mx("a.example", mx({{10, "mx1.example"}})).is_static());
    EXPECT_FALSE(plan_for_literal("[192.0.2.1]").is_static());
}

TEST(SitePlan, the_hours_and_the_sources_of_a_route_are_in_its_name_and_key) {
    auto hours = route("2001:db8::1");
    hours.deliver_between = {{22 * 60, 6 * 60}};
    const auto plan = plan_for_route(hours, "pool");
    EXPECT_EQ(plan.name, "[2001:db8::1]:25 from pool at 22:00-06:00");
    EXPECT_NE(plan.key, plan_for_route(route("2001:db8::1"), "pool").key);
}

}  // namespace
}  // namespace mta::outbound
