#include "dns/mx_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace dns {
namespace {
using namespace std::chrono_literals;
using testing::HasSubstr;
using Kind = LookupError::Kind;
using Hosts = std::vector<std::string>;

const Hosts own_names = {"mail.office.example", "relay.office.example"};

Lookup<MxAnswer> mx(std::vector<MxRecord> records) { return MxAnswer{std::move(records), 60s}; }
Lookup<MxAnswer> no_mx(Kind kind, std::string text = "why") {
    return std::unexpected(LookupError{kind, std::move(text)});
}

struct PlanCase {
    std::string name;
    std::string domain;
    Lookup<MxAnswer> answer;
    Hosts want;
    std::string status;  // of the error; empty if there is none
    std::string words;   // a part of its text
};
std::ostream& operator<<(std::ostream& out, const PlanCase& row) { return out << row.name; }

const PlanCase plan_cases[] = {
    {"best_preference_first",
     "them.example",
     mx({{20, "b.example"}, {10, "a.example"}, {30, "c.example"}}),
     {"a.example", "b.example", "c.example"},
     "",
     ""},
    {"without_mx_the_domain_itself",
     "them.example",
     no_mx(Kind::no_data),
     {"them.example"},
     "",
     ""},
    {"nxdomain",
     "them.example",
     no_mx(Kind::no_such_domain),
     {},
     "5.1.2",
     "The domain them.example does not exist (NXDOMAIN)."},
    {"null_mx", "them.example", mx({{0, "."}}), {}, "5.1.10", "accepts no mail"},
    {"null_mx_of_any_preference", "them.example", mx({{5, "."}}), {}, "5.1.10", "accepts no mail"},
    {"null_mx_among_others_means_nothing",
     "them.example",
     mx({{0, "."}, {10, "a.example"}}),
     {"a.example"},
     "",
     ""},
    {"a_host_mentioned_twice_counts_once",
     "them.example",
     mx({{30, "a.example"}, {20, "b.example"}, {10, "a.example"}}),
     {"a.example", "b.example"},
     "",
     ""},
    {"own_host_is_left_out_with_equal_and_worse",
     "them.example",
     mx({{10, "a.example"},
         {20, "Mail.Office.Example"},
         {20, "equal.example"},
         {30, "worse.example"}}),
     {"a.example"},
     "",
     ""},
    {"the_best_of_two_own_names_decides",
     "them.example",
     mx({{10, "a.example"},
         {20, "relay.office.example"},
         {25, "b.example"},
         {30, "mail.office.example"}}),
     {"a.example"},
     "",
     ""},
    {"own_host_alone_would_loop",
     "them.example",
     mx({{10, "mail.office.example"}}),
     {},
     "5.4.6",
     "mail.office.example, this mail server itself"},
    {"own_host_among_equals_would_loop",
     "them.example",
     mx({{10, "a.example"}, {10, "mail.office.example"}}),
     {},
     "5.4.6",
     "circle"},
    {"own_domain_without_mx_would_loop",
     "mail.office.example",
     no_mx(Kind::no_data),
     {},
     "5.4.6",
     "circle"},
    {"servfail_defers",
     "them.example",
     no_mx(Kind::server_failure, "SERVFAIL from 127.0.0.1:53 for them.example MX"),
     {},
     "4.4.3",
     "SERVFAIL from 127.0.0.1:53 for them.example MX"},
    {"refused_defers", "them.example", no_mx(Kind::refused), {}, "4.4.3", "them.example"},
    {"timeout_defers", "them.example", no_mx(Kind::timed_out), {}, "4.4.3", "them.example"},
    {"malformed_defers", "them.example", no_mx(Kind::malformed), {}, "4.4.3", "them.example"},
    {"unreachable_defers", "them.example", no_mx(Kind::unreachable), {}, "4.4.3", "them.example"},
    {"overloaded_defers", "them.example", no_mx(Kind::overloaded), {}, "4.4.3", "them.example"},
};

class MxPlanTable : public testing::TestWithParam<PlanCase> {};

TEST_P(MxPlanTable, plans) {
    const auto& row = GetParam();
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::mt19937_64 rng(seed);
        const auto plan = plan_hosts(row.domain, row.answer, own_names, rng);
        if (row.status.empty()) {
            ASSERT_TRUE(plan) << "seed " << seed << ": " << plan.error().text;
            EXPECT_EQ(*plan, row.want) << "seed " << seed;
            continue;
        }
        ASSERT_FALSE(plan) << "seed " << seed;
        EXPECT_EQ(to_string(plan.error().status), row.status);
        EXPECT_EQ(plan.error().is_permanent(), row.status.starts_with('5'));
        EXPECT_EQ(plan.error().scope, mta::Scope::domain);
        EXPECT_EQ(plan.error().reply_code, 0);
        EXPECT_TRUE(plan.error().remote.empty());
        EXPECT_THAT(plan.error().text, HasSubstr(row.words));
    }
}

INSTANTIATE_TEST_SUITE_P(, MxPlanTable, testing::ValuesIn(plan_cases),
                         [](const auto& test) { return test.param.name; });

TEST(MxPlan, equal_preferences_come_in_random_order) {
    std::mt19937_64 rng(1);
    std::map<std::string, int> first;
    for (int i = 0; i < 300; ++i) {
        const auto plan = plan_hosts(
            "d.example", mx({{10, "a"}, {10, "b"}, {10, "c"}, {20, "last"}}), own_names, rng);
        ++first[plan->front()];
        EXPECT_EQ(plan->back(), "last");
    }
    for (const char* host : {"a", "b", "c"}) EXPECT_GT(first[host], 60) << host;
}

TEST(MxPlan, takes_no_more_hosts_than_its_limit_and_keeps_the_best) {
    std::vector<MxRecord> records;
    for (std::size_t i = 0; i < 2 * mta::limits::mx_hosts_max; ++i) {
        const auto preference = static_cast<std::uint16_t>(1000 - i);
        records.push_back({preference, 'h' + std::to_string(preference)});
    }
    std::mt19937_64 rng(1);
    const auto plan = plan_hosts("d.example", mx(records), own_names, rng);
    ASSERT_EQ(plan->size(), mta::limits::mx_hosts_max);
    EXPECT_EQ(plan->front(), "h801");
}

// ---- Addresses ----

mta::IpAddress ip(const std::string& text) { return *mta::IpAddress::parse(text); }

Lookup<AddressAnswer> found(const Hosts& addresses) {
    AddressAnswer answer;
    for (const auto& address : addresses) answer.addresses.push_back(ip(address));
    return answer;
}
Lookup<AddressAnswer> no_address(Kind kind) { return std::unexpected(LookupError{kind, "why"}); }

struct AddressCase {
    std::string name;
    Lookup<AddressAnswer> answer;
    Hosts allow_networks;
    std::vector<std::string> want;
    std::string status;
    std::string words;
};
std::ostream& operator<<(std::ostream& out, const AddressCase& row) { return out << row.name; }

AddressCase refused(std::string name, const std::string& address) {
    return {std::move(name), found({address}), {}, {}, "5.4.6", "delivery.allow_networks"};
}
AddressCase allowed(std::string name, const std::string& address, std::string network) {
    const auto endpoint = to_string(mta::Endpoint{ip(address), 2525});
    return {std::move(name), found({address}), {std::move(network)}, {endpoint}, "", ""};
}

const AddressCase address_cases[] = {
    {"one", found({"192.0.2.1"}), {}, {"192.0.2.1:2525"}, "", ""},
    {"v6_and_v4_in_turns",
     found({"192.0.2.1", "2001:db8::1"}),
     {},
     {"[2001:db8::1]:2525", "192.0.2.1:2525"},
     "",
     ""},
    {"an_office_network_is_fine", found({"192.168.1.10"}), {}, {"192.168.1.10:2525"}, "", ""},
    refused("loopback", "127.0.0.1"),
    refused("all_of_loopback", "127.8.9.10"),
    refused("loopback_v6", "::1"),
    refused("loopback_mapped_into_v6", "::ffff:127.0.0.1"),
    refused("unspecified", "0.0.0.0"),
    refused("unspecified_v6", "::"),
    refused("link_local", "169.254.169.254"),
    refused("link_local_v6", "fe80::1"),
    refused("multicast", "224.0.0.1"),
    refused("multicast_v6", "ff02::1"),
    refused("reserved", "240.0.0.1"),
    refused("broadcast", "255.255.255.255"),
    refused("own_address", "198.51.100.7"),
    refused("own_address_v6", "2001:db8:1::7"),
    allowed("loopback_if_allowed", "127.0.0.1", "127.0.0.0/8"),
    allowed("own_address_if_allowed", "198.51.100.7", "198.51.100.7"),
    {"an_exception_for_another_network",
     found({"127.0.0.1"}),
     {"10.0.0.0/8"},
     {},
     "5.4.6",
     "127.0.0.1"},
    {"the_good_address_beside_a_refused_one",
     found({"127.0.0.1", "192.0.2.1"}),
     {},
     {"192.0.2.1:2525"},
     "",
     ""},
    {"host_does_not_exist", no_address(Kind::no_such_domain), {}, {}, "5.4.4", "does not exist"},
    {"host_has_no_address", no_address(Kind::no_data), {}, {}, "5.4.4", "no IP address"},
    {"servfail_defers", no_address(Kind::server_failure), {}, {}, "4.4.3", "mx1.them.example"},
    {"timeout_defers", no_address(Kind::timed_out), {}, {}, "4.4.3", "mx1.them.example"},
};

AddressPolicy policy_for(const Hosts& allow_networks) {
    AddressPolicy policy{.port = 2525, .own_addresses = {ip("198.51.100.7"), ip("2001:db8:1::7")}};
    for (const auto& net : allow_networks) {
        policy.allow_networks.push_back(*mta::Network::parse(net));
    }
    return policy;
}

class AddressPlanTable : public testing::TestWithParam<AddressCase> {};

TEST_P(AddressPlanTable, plans) {
    const auto& row = GetParam();
    std::mt19937_64 rng(1);
    const auto plan =
        plan_addresses("mx1.them.example", row.answer, policy_for(row.allow_networks), rng);
    if (row.status.empty()) {
        ASSERT_TRUE(plan) << plan.error().text;
        std::vector<std::string> got;
        for (const auto& endpoint : *plan) got.push_back(to_string(endpoint));
        EXPECT_EQ(got, row.want);
        return;
    }
    ASSERT_FALSE(plan) << to_string(plan->front());
    EXPECT_EQ(to_string(plan.error().status), row.status);
    EXPECT_EQ(plan.error().scope, mta::Scope::domain);
    EXPECT_THAT(plan.error().text, HasSubstr(row.words));
}

INSTANTIATE_TEST_SUITE_P(, AddressPlanTable, testing::ValuesIn(address_cases),
                         [](const auto& test) { return test.param.name; });

TEST(AddressPlan, a_host_is_this_machine_if_its_only_addresses_are) {
    const auto is_ours = [](const Hosts& addresses, const Hosts& allowed = {}) {
        AddressAnswer answer;
        for (const auto& address : addresses) answer.addresses.push_back(ip(address));
        return is_this_machine(answer, policy_for(allowed));
    };
    EXPECT_TRUE(is_ours({"198.51.100.7"}));
    EXPECT_TRUE(is_ours({"198.51.100.7", "127.0.0.1"}));
    EXPECT_FALSE(is_ours({"198.51.100.7", "192.0.2.1"}));
    EXPECT_FALSE(is_ours({"127.0.0.1"}));
    EXPECT_FALSE(is_ours({"198.51.100.7"}, {"198.51.100.0/24"}));
}

TEST(AddressPlan, families_take_turns_and_the_rest_follows) {
    std::mt19937_64 rng(1);
    auto policy = policy_for({});
    policy.addresses_max = 10;
    const auto plan = plan_addresses(
        "h", found({"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"}), policy,
        rng);
    std::string families;
    for (const auto& endpoint : *plan) families += endpoint.address.is_v6() ? '6' : '4';
    EXPECT_EQ(families, "64644");
}

TEST(AddressPlan, takes_no_more_than_its_limit_in_random_order) {
    std::mt19937_64 rng(1);
    auto policy = policy_for({});
    policy.addresses_max = 2;
    std::map<std::string, int> first;
    for (int i = 0; i < 300; ++i) {
        const auto plan =
            plan_addresses("h", found({"192.0.2.1", "192.0.2.2", "192.0.2.3"}), policy, rng);
        ASSERT_EQ(plan->size(), 2u);
        ++first[plan->front().address.to_string()];
    }
    EXPECT_EQ(first.size(), 3u);
    for (const auto& [address, count] : first) EXPECT_GT(count, 60) << address;
}

struct LiteralCase {
    const char* domain;
    const char* want;  // empty if it is no literal
};
const LiteralCase literal_cases[] = {
    {"[192.0.2.1]", "192.0.2.1"},
    {"[IPv6:2001:db8::1]", "2001:db8::1"},
    {"[ipv6:2001:DB8::1]", "2001:db8::1"},
    {"[2001:db8::1]", ""},
    {"[IPv6:192.0.2.1]", ""},
    {"192.0.2.1", ""},
    {"[192.0.2.1", ""},
    {"[192.0.2.300]", ""},
    {"[]", ""},
    {"[", ""},
    {"", ""},
    {"them.example", ""},
};

TEST(MxPlan, knows_an_address_literal) {
    for (const auto& row : literal_cases) {
        const auto address = address_of_literal(row.domain);
        EXPECT_EQ(address ? address->to_string() : "", row.want) << row.domain;
    }
}

TEST(MxPlan, a_literal_is_under_the_same_rules) {
    EXPECT_EQ(to_string(*plan_literal(ip("192.0.2.1"), policy_for({}))), "192.0.2.1:2525");
    const auto refused_literal = plan_literal(ip("127.0.0.1"), policy_for({}));
    ASSERT_FALSE(refused_literal);
    EXPECT_EQ(to_string(refused_literal.error().status), "5.4.6");
    EXPECT_THAT(refused_literal.error().text, HasSubstr("[127.0.0.1]"));
    EXPECT_TRUE(plan_literal(ip("127.0.0.1"), policy_for({"127.0.0.0/8"})));
}

TEST(MxPlan, of_many_errors_the_first_temporary_one_counts) {
    const auto error = [](std::uint16_t klass, const char* text) {
        return mta::DeliveryError{.status = {klass, 4, 4}, .text = text};
    };
    std::optional<mta::DeliveryError> kept;
    keep_most_hopeful(kept, error(5, "first"));
    keep_most_hopeful(kept, error(5, "second"));
    EXPECT_EQ(kept->text, "first");
    keep_most_hopeful(kept, error(4, "third"));
    EXPECT_EQ(kept->text, "third");
    keep_most_hopeful(kept, error(4, "fourth"));
    keep_most_hopeful(kept, error(5, "fifth"));
    EXPECT_EQ(kept->text, "third");
}

}  // namespace
}  // namespace dns
