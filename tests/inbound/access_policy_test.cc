#include "mta/inbound/access_policy.h"

#include <gtest/gtest.h>

namespace mta::inbound {
namespace {

const conf::Relay office{
    .networks = {*Network::parse("127.0.0.0/8"), *Network::parse("192.168.0.0/16"),
                 *Network::parse("2001:db8:1::/48")},
    .domains = {"office.example", ".sub.example"},
};

TEST(AccessPolicy, lets_its_networks_send_anywhere) {
    const conf::Inbound inbound;
    const AccessPolicy policy(office, inbound);
    struct Row {
        const char* client;
        bool may_relay;
    };
    for (const auto& [client, may_relay] : {Row{"127.0.0.1", true},
                                            {"127.255.255.255", true},
                                            {"192.168.255.1", true},
                                            {"192.169.0.1", false},
                                            {"203.0.113.5", false},
                                            {"2001:db8:1::5", true},
                                            {"2001:db8:2::5", false},
                                            {"::1", false},
                                            {"::ffff:192.168.1.1", true},
                                            {"::ffff:203.0.113.5", false}}) {
        EXPECT_EQ(policy.may_relay_anywhere({*IpAddress::parse(client)}), may_relay) << client;
    }
}

TEST(AccessPolicy, knows_its_domains_and_subtrees_and_nothing_that_only_looks_like_them) {
    const conf::Inbound inbound;
    const AccessPolicy policy(office, inbound);
    struct Row {
        const char* domain;
        bool is_ours;
    };
    for (const auto& [domain, is_ours] : {Row{"office.example", true},
                                          {"mail.office.example", false},
                                          {"xoffice.example", false},
                                          {"office.example.net", false},
                                          {"sub.example", false},
                                          {"a.sub.example", true},
                                          {"b.a.sub.example", true},
                                          {"xsub.example", false},
                                          {".sub.example", false},
                                          {"[192.168.0.1]", false},
                                          {"", false}}) {
        EXPECT_EQ(policy.is_relay_domain(domain), is_ours) << domain;
    }
}

TEST(AccessPolicy, without_networks_and_domains_no_client_may_do_anything) {
    const conf::Relay nothing{.networks = {}, .domains = {}};
    const conf::Inbound inbound;
    const AccessPolicy policy(nothing, inbound);
    EXPECT_FALSE(policy.may_relay_anywhere({*IpAddress::parse("127.0.0.1")}));
    EXPECT_FALSE(policy.is_relay_domain("office.example"));
    EXPECT_FALSE(policy.may_prioritise({*IpAddress::parse("127.0.0.1")}));
}

TEST(AccessPolicy, priorities_count_from_its_networks_or_from_those_named_for_that) {
    conf::Inbound inbound;
    const AccessPolicy policy(office, inbound);
    const ClientIdentity office_client{*IpAddress::parse("192.168.1.1")};
    const ClientIdentity stranger{*IpAddress::parse("203.0.113.5")};
    EXPECT_TRUE(policy.may_prioritise(office_client));
    EXPECT_FALSE(policy.may_prioritise(stranger));
    inbound.priority_networks = {{*Network::parse("203.0.113.0/24")}};
    EXPECT_FALSE(policy.may_prioritise(office_client));
    EXPECT_TRUE(policy.may_prioritise(stranger));
    EXPECT_FALSE(policy.may_relay_anywhere(stranger));
    inbound.priority_networks->clear();
    EXPECT_FALSE(policy.may_prioritise(office_client));
}

TEST(AccessPolicy, etrn_is_for_its_networks_unless_others_are_named) {
    const ClientIdentity inside{*IpAddress::parse("192.168.0.7")};
    const ClientIdentity outside{*IpAddress::parse("203.0.113.5")};
    auto relay = office;
    const conf::Inbound inbound;
    EXPECT_TRUE(AccessPolicy(relay, inbound).may_wake(inside));
    EXPECT_FALSE(AccessPolicy(relay, inbound).may_wake(outside));
    relay.etrn_networks = {*Network::parse("203.0.113.0/24")};
    EXPECT_FALSE(AccessPolicy(relay, inbound).may_wake(inside));
    EXPECT_TRUE(AccessPolicy(relay, inbound).may_wake(outside));
    EXPECT_FALSE(AccessPolicy(relay, inbound).may_relay_anywhere(outside));
    relay.etrn_networks->clear();
    EXPECT_FALSE(AccessPolicy(relay, inbound).may_wake(inside));
}

TEST(AccessPolicy, refuses_a_stranger_s_recipients_elsewhere_and_routes_through_ours) {
    const conf::Inbound inbound;
    const AccessPolicy policy(office, inbound);
    const ClientIdentity inside{*IpAddress::parse("192.168.0.7")};
    const ClientIdentity outside{*IpAddress::parse("203.0.113.5")};
    for (const auto& [recipient, is_taken] : {std::pair("ann@office.example", true),
                                              {"ann@them.example", false},
                                              {"ann%them.example@office.example", false}}) {
        const auto address = *smtp::parse_mailbox(recipient);
        EXPECT_FALSE(policy.refusal_of(inside, address)) << recipient;
        const auto refusal = policy.refusal_of(outside, address);
        EXPECT_EQ(!refusal, is_taken) << recipient;
        if (refusal) {
            EXPECT_EQ(refusal->code, 550);
            EXPECT_TRUE(refusal->text.contains("203.0.113.5"));
        }
    }
}

TEST(AccessPolicy, gives_all_rights_at_once) {
    const conf::Relay relay{.networks = {*Network::parse("192.168.0.0/16")},
                            .etrn_networks = {{*Network::parse("203.0.113.0/24")}}};
    const conf::Inbound inbound;
    const AccessPolicy policy(relay, inbound);
    EXPECT_EQ(policy.rights_of({*IpAddress::parse("192.168.0.7")}),
              (smtp::ClientRights{.is_own = true, .may_prioritise = true}));
    EXPECT_EQ(policy.rights_of({*IpAddress::parse("203.0.113.5")}),
              (smtp::ClientRights{.may_wake = true}));
}

}  // namespace
}  // namespace mta::inbound
