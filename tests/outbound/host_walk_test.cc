#include "mta/outbound/attempt/host_walk.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Instant start{Millis{1'700'000'000'000}};

Endpoint at(const std::string& address) { return {*IpAddress::parse(address), 25}; }

DeliveryError silent() {
    return {.status = {4, 4, 1}, .scope = Scope::host, .text = "connection refused"};
}

// A walk with everything around it. step() writes a step as a line.
class HostWalkTest : public testing::Test {
protected:
    void plan(std::vector<std::string> names, std::vector<std::uint16_t> ranks = {},
              Purpose purpose = Purpose::mail) {
        HostWalk::Plan plan;
        for (std::size_t i = 0; i < names.size(); ++i) {
            plan.hosts.push_back({names[i], 25});
            plan.ranks.push_back(ranks.empty() ? static_cast<std::uint16_t>(i) : ranks[i]);
        }
        walk_.plan(std::move(plan), purpose, was_answered_);
    }

    HostWalk::HostPtr slots_of(const std::string& name) {
        for (auto& host : hosts_)
            if (host->name == name) return host;
        hosts_.push_back(std::make_shared<HostLimits::Host>());
        hosts_.back()->name = name;
        hosts_.back()->most = 20;
        return hosts_.back();
    }
    void fill(const std::string& name) {
        auto& host = *slots_of(name);
        host.connections = HostLimits::connections_limit(host);
    }

    std::string step() {
        return std::visit([](const auto& each) { return text_of(each); },
                          walk_.next(surroundings()));
    }
    // Resolves the host that next() names to these addresses, and takes the next step.
    std::string resolve(const std::vector<std::string>& addresses) {
        std::vector<Endpoint> endpoints;
        for (const auto& address : addresses) endpoints.push_back(at(address));
        walk_.found(std::move(endpoints), slots_of(walk_.host()), health_);
        return step();
    }
    // Connects where next() says, in vain, and takes the next step.
    std::string connect_in_vain() {
        walk_.connecting();
        walk_.set_trouble(silent());
        return step();
    }
    void make_failing(const std::string& address, double jitter = 0) {
        for (int i = 0; health_.is_well(at(address)); ++i) {
            ASSERT_LT(i, 10);
            (void)health_.failed(health_.begin(at(address), start),
                                 {.error = silent(), .jitter = jitter}, start);
        }
    }

    HostWalk::Surroundings surroundings() {
        return {.now = now_,
                .health = health_,
                .asked = asked_,
                .families = families_,
                .addresses_max = addresses_max_,
                .may_ask = may_ask_,
                .is_retried = is_retried_,
                .has_answer = has_answer_,
                .allowed_at = allowed_at_,
                .expires_at = expires_at_,
                .own = own_};
    }

    HostWalk walk_;
    AddressHealth health_;
    AskedAddresses asked_;
    std::vector<HostWalk::HostPtr> hosts_;
    HostWalk::Families families_;
    Instant now_ = start;
    std::uint32_t addresses_max_ = 5;
    bool was_answered_ = false;
    bool may_ask_ = true;
    bool is_retried_ = false;
    bool has_answer_ = false;
    Instant allowed_at_ = start;
    Instant expires_at_ = Instant::max();
    const HostLimits::Host* own_ = nullptr;

private:
    static std::string text_of(const HostWalk::Resolve& step) {
        return "resolve " + step.host.host;
    }
    static std::string text_of(const HostWalk::Connect& step) {
        return "connect " + step.endpoint.address.to_string() + " of " + step.host->name;
    }
    static std::string text_of(const HostWalk::QueueAt& step) {
        return "queue at " + step.host->name;
    }
    static std::string text_of(const HostWalk::PauseUntil& step) {
        return "pause " + std::to_string((step.at - start).count());
    }
    static std::string text_of(const HostWalk::Exhausted& step) {
        return step.have_all_been_asked ? "exhausted, all asked" : "exhausted";
    }
};

TEST_F(HostWalkTest, goes_from_address_to_address_and_from_host_to_host) {
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2"}), "connect 192.0.2.1 of mx1");
    EXPECT_EQ(step(), "connect 192.0.2.1 of mx1") << "until the caller connects";
    EXPECT_EQ(connect_in_vain(), "connect 192.0.2.2 of mx1");
    EXPECT_EQ(connect_in_vain(), "resolve mx2");
    EXPECT_EQ(resolve({"192.0.2.3"}), "connect 192.0.2.3 of mx2");
    EXPECT_EQ(connect_in_vain(), "exhausted, all asked");
    EXPECT_EQ(walk_.trouble()->text, "connection refused");
    EXPECT_THAT(walk_.asked_in_round(),
                ElementsAre(at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.3")));
}

TEST_F(HostWalkTest, asks_no_address_twice_though_two_hosts_have_it) {
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
    EXPECT_EQ(connect_in_vain(), "resolve mx2");
    EXPECT_EQ(resolve({"192.0.2.1"}), "exhausted, all asked");
}

TEST_F(HostWalkTest, passes_a_host_that_cannot_be_found) {
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    walk_.not_found({.status = {5, 4, 4}, .scope = Scope::domain, .text = "no such host"}, false);
    EXPECT_EQ(step(), "resolve mx2");
    walk_.not_found({.status = {4, 4, 3}, .scope = Scope::domain, .text = "no answer"}, false);
    EXPECT_EQ(step(), "exhausted, all asked");
    EXPECT_EQ(walk_.trouble()->text, "no answer") << "the most hopeful reason counts";
}

TEST_F(HostWalkTest, ends_at_this_machine) {
    plan({"mx1", "mx2", "mx3"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
    EXPECT_EQ(connect_in_vain(), "resolve mx2");
    walk_.not_found({.status = {5, 4, 6}, .scope = Scope::domain, .text = "loop"}, true);
    EXPECT_EQ(step(), "exhausted, all asked") << "a host of worse preference is left out";
}

TEST_F(HostWalkTest, tries_no_more_addresses_than_it_may) {
    addresses_max_ = 2;
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2", "192.0.2.3"}), "connect 192.0.2.1 of mx1");
    EXPECT_EQ(connect_in_vain(), "connect 192.0.2.2 of mx1");
    EXPECT_EQ(connect_in_vain(), "exhausted");
}

TEST_F(HostWalkTest, of_an_ordered_probe_tries_all_addresses) {
    addresses_max_ = 1;
    asked_.add(at("192.0.2.2"), AskedAddresses::How::silent);
    plan({"mx1"}, {}, Purpose::ordered_probe);
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2"}), "connect 192.0.2.1 of mx1");
    EXPECT_EQ(connect_in_vain(), "connect 192.0.2.2 of mx1");
    EXPECT_EQ(connect_in_vain(), "exhausted, all asked");
}

TEST_F(HostWalkTest, counts_an_address_that_turned_the_connection_away_as_not_asked) {
    addresses_max_ = 1;
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2"}), "connect 192.0.2.1 of mx1");
    walk_.connecting();
    walk_.take_back(at("192.0.2.1"));
    EXPECT_THAT(walk_.asked_in_round(), ElementsAre());
    EXPECT_EQ(step(), "connect 192.0.2.2 of mx1");
}

TEST_F(HostWalkTest, holds_at_most_two_sessions) {
    plan({"mx1", "mx2", "mx3"});
    for (const auto* host : {"mx1", "mx2"}) {
        EXPECT_EQ(step(), std::string("resolve ") + host);
        EXPECT_THAT(resolve({host == std::string("mx1") ? "192.0.2.1" : "192.0.2.2"}),
                    HasSubstr("connect"));
        walk_.connecting();
        walk_.count_session();
        walk_.leave_host();
    }
    EXPECT_EQ(step(), "exhausted");
}

TEST_F(HostWalkTest, stops_when_the_destination_may_not_be_asked) {
    plan({"mx1"});
    may_ask_ = false;
    EXPECT_EQ(step(), "exhausted");
}

TEST_F(HostWalkTest, skips_failing_addresses_and_tries_the_least_bad_one_in_the_end) {
    make_failing("192.0.2.1", 1);
    make_failing("192.0.2.2", -1);
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "resolve mx2");
    EXPECT_EQ(resolve({"192.0.2.2"}), "connect 192.0.2.2 of mx2")
        << "the next try of this one is due first";
    EXPECT_EQ(connect_in_vain(), "exhausted, all asked");
}

TEST_F(HostWalkTest, does_not_turn_to_a_failing_address_after_a_session) {
    make_failing("192.0.2.2");
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
    walk_.connecting();
    walk_.count_session();
    walk_.leave_host();
    EXPECT_EQ(step(), "resolve mx2");
    EXPECT_EQ(resolve({"192.0.2.2"}), "exhausted");
}

TEST_F(HostWalkTest, of_a_probe_tries_failing_addresses_the_longest_known_first) {
    make_failing("192.0.2.1", 1);
    make_failing("192.0.2.2", -1);
    plan({"mx1"}, {}, Purpose::probe);
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2"}), "connect 192.0.2.2 of mx1");
    EXPECT_EQ(connect_in_vain(), "connect 192.0.2.1 of mx1");
}

TEST_F(HostWalkTest,
       skips_what_was_asked_in_vain_and_begins_a_new_round_when_nothing_else_is_left) {
    asked_.add(at("192.0.2.1"), AskedAddresses::How::silent);
    asked_.add(at("192.0.2.2"), AskedAddresses::How::unwilling);
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2"}), "connect 192.0.2.2 of mx1")
        << "new mail goes where other mail was refused for now";
    EXPECT_EQ(connect_in_vain(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1", "192.0.2.2"}), "connect 192.0.2.1 of mx1");
    walk_.connecting();
    EXPECT_FALSE(asked_.is_passed_over(at("192.0.2.1"), true)) << "a new round has begun";
    EXPECT_THAT(walk_.asked_in_round(), ElementsAre(at("192.0.2.1")));
    EXPECT_EQ(step(), "exhausted, all asked");
}

TEST_F(HostWalkTest, of_retried_mail_skips_addresses_that_refused_for_now) {
    asked_.add(at("192.0.2.1"), AskedAddresses::How::unwilling);
    is_retried_ = true;
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "resolve mx2");
}

TEST_F(HostWalkTest, queues_at_a_full_host_rather_than_ask_one_of_worse_preference) {
    fill("mx1");
    plan({"mx1", "mx2", "mx3"}, {10, 10, 20});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "resolve mx2") << "of the same preference";
    EXPECT_EQ(resolve({"192.0.2.2"}), "connect 192.0.2.2 of mx2");
    EXPECT_EQ(connect_in_vain(), "queue at mx1");
    slots_of("mx1")->connections = 0;
    walk_.return_to_full_host();
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
}

TEST_F(HostWalkTest, returns_by_itself_to_a_full_host_that_has_room_again) {
    fill("mx1");
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    auto& host = *slots_of("mx1");
    walk_.found({at("192.0.2.1")}, slots_of("mx1"), health_);
    EXPECT_EQ(step(), "queue at mx1");
    host.connections = 0;
    EXPECT_EQ(step(), "resolve mx1");
}

TEST_F(HostWalkTest, goes_past_a_host_that_is_closed_to_one_of_worse_preference) {
    slots_of("mx1")->closed_until = start + Millis{15'000};
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "resolve mx2");
    EXPECT_EQ(resolve({"192.0.2.2"}), "connect 192.0.2.2 of mx2");
    EXPECT_EQ(connect_in_vain(), "queue at mx1");
}

TEST_F(HostWalkTest, does_not_queue_once_it_has_an_answer) {
    fill("mx1");
    has_answer_ = true;
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "exhausted");
}

TEST_F(HostWalkTest, has_room_at_a_full_host_that_keeps_a_slot_for_it) {
    auto& host = *slots_of("mx1");
    host.connections = HostLimits::connections_limit(host) - 1;
    host.called = 1;
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    own_ = &host;
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
    own_ = nullptr;
    EXPECT_EQ(step(), "queue at mx1");
}

TEST_F(HostWalkTest, pauses_until_the_rates_allow_a_connection) {
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    allowed_at_ = start + Millis{700};
    EXPECT_EQ(resolve({"192.0.2.1"}), "pause 700");
    now_ = allowed_at_;
    EXPECT_EQ(step(), "connect 192.0.2.1 of mx1");
}

TEST_F(HostWalkTest, does_not_pause_beyond_the_expiry_of_a_recipient) {
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    allowed_at_ = start + Millis{700};
    expires_at_ = start + Millis{700};
    EXPECT_EQ(resolve({"192.0.2.1"}), "exhausted");
}

TEST_F(HostWalkTest, keeps_to_the_families_of_the_configuration_and_of_its_source) {
    families_ = {.allowed = conf::IpFamilies::v4};
    plan({"mx1"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"2001:db8::1", "192.0.2.1"}), "connect 192.0.2.1 of mx1");
    families_ = {.source = "pool", .source_has_v4 = false};
    EXPECT_EQ(step(), "exhausted, all asked");
    EXPECT_EQ(walk_.trouble()->text,
              "2001:db8::1 is not used: the configuration excludes IPv6 here (ip)");
}

TEST_F(HostWalkTest, uses_an_address_that_a_route_names_whatever_its_family) {
    families_ = {.allowed = conf::IpFamilies::v4, .is_static = true};
    plan({"2001:db8::1"});
    EXPECT_EQ(step(), "resolve 2001:db8::1");
    EXPECT_EQ(resolve({"2001:db8::1"}), "connect 2001:db8::1 of 2001:db8::1");
}

TEST_F(HostWalkTest, turns_to_ipv4_from_the_first_host_on) {
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"2001:db8::1", "192.0.2.1"}), "connect 2001:db8::1 of mx1");
    walk_.connecting();
    walk_.count_session();
    walk_.turn_to_v4();
    walk_.leave_host();
    EXPECT_EQ(walk_.sessions(), 0u) << "that session does not count";
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"2001:db8::1", "192.0.2.1"}), "connect 192.0.2.1 of mx1");
}

TEST_F(HostWalkTest, after_an_answer_on_a_kept_connection_asks_the_other_hosts) {
    walk_.speaks_to("mx1", at("192.0.2.1"));
    was_answered_ = true;
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx2");
    EXPECT_EQ(resolve({"192.0.2.1"}), "exhausted, all asked") << "the kept connection was to it";
}

TEST_F(HostWalkTest, asks_the_same_host_again_on_a_new_connection) {
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
    walk_.connecting();
    EXPECT_TRUE(walk_.retry_host(at("192.0.2.1")));
    EXPECT_EQ(step(), "resolve mx1");
    EXPECT_EQ(resolve({"192.0.2.1"}), "connect 192.0.2.1 of mx1");
}

TEST_F(HostWalkTest, resolves_a_host_again_whose_look_up_could_not_be_made) {
    plan({"mx1", "mx2"});
    EXPECT_EQ(step(), "resolve mx1");
    walk_.resolve_again();
    EXPECT_EQ(step(), "resolve mx1");
}

}  // namespace
}  // namespace mta::outbound
