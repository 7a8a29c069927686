#include "mta/outbound/routing/router.h"

#include <gtest/gtest.h>

#include "dns/caching_resolver.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using dns::Freshness;
using world::World;

constexpr auto trouble = dns::LookupError::Kind::server_failure;

class RouterTest : public testing::Test {
protected:
    // Mail for them.example, whose DNS fails.
    void begin_with_dns_trouble() {
        world.serve("them.example");
        world.resolver.mx["them.example"] = world::FakeResolver::error("SERVFAIL", trouble);
        world.send();
        world.run_for(1s);
    }
    [[nodiscard]] std::size_t asked() const { return world.resolver.asked.size(); }

    World world;
};

TEST_F(RouterTest, a_first_look_up_may_be_answered_from_memory_and_a_probe_may_not) {
    begin_with_dns_trouble();
    ASSERT_EQ(world.resolver.wanted, std::vector{Freshness::cached});
    world.run_for(40s);
    EXPECT_EQ(world.resolver.wanted, (std::vector{Freshness::cached, Freshness::retry}));
}

TEST_F(RouterTest, an_order_asks_the_dns_really_and_never_moves_the_next_look_up) {
    begin_with_dns_trouble();
    const auto next_look_up = [this] {
        return world.desk().find(1)->recipients.at(0).next_attempt.value_or(Instant{});
    };
    const auto scheduled = next_look_up();
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(world.flush(), 1u);
        world.run_for(1s);
        EXPECT_EQ(asked(), static_cast<std::size_t>(2 + i));
        EXPECT_EQ(world.resolver.wanted.back(), Freshness::ordered);
        EXPECT_EQ(next_look_up(), scheduled);
    }
    world.resolver.set_mx("them.example", {"mx.them.example"});
    world.flush("them.example");
    world.run_for(1s);
    EXPECT_TRUE(world.has<events::Delivered>("bob@them.example"));
}

// It may have moved to other hosts.
TEST_F(RouterTest, an_order_asks_where_mail_goes_for_a_destination_that_is_down) {
    auto& old_server = world.serve("them.example");
    old_server.is_refusing = true;
    world.send();
    world.run_for(1s);
    world.resolver.set_mx("them.example", {"mx.new.example"});
    world.resolver.set_host("mx.new.example", {"192.0.2.2"});
    auto& new_server = world.server("192.0.2.2");
    world.flush();
    world.run_for(1s);
    EXPECT_EQ(new_server.received.size(), 1u);
}

TEST_F(RouterTest, hosts_of_a_probe_a_retry_and_an_order_are_asked_for_anew) {
    world.serve("them.example").is_refusing = true;
    world.send();
    world.run_for(1s);
    EXPECT_EQ(world.resolver.wanted, (std::vector{Freshness::cached, Freshness::cached}));
    world.run_for(20s);
    ASSERT_EQ(world.resolver.asked.back(), "mx.them.example A");
    EXPECT_EQ(world.resolver.wanted.back(), Freshness::retry) << "the probe";
    world.resolver.asked.clear();
    world.resolver.wanted.clear();
    world.flush();
    world.run_for(1s);
    EXPECT_GE(asked(), 2u);
    for (const auto wanted : world.resolver.wanted) EXPECT_EQ(wanted, Freshness::ordered);

    World greylisted;
    greylisted.serve("them.example").reply = world::always("RCPT", "450 4.2.0 greylisted");
    greylisted.send();
    greylisted.run_for(6min);
    ASSERT_GE(greylisted.resolver.asked.size(), 3u);
    EXPECT_EQ(greylisted.resolver.asked.back(), "mx.them.example A");
    EXPECT_EQ(greylisted.resolver.wanted.back(), Freshness::retry);
}

// Of mail that was tried before: other mail waits for its answer.
TEST_F(RouterTest, a_look_up_under_way_never_delays_expiry) {
    world.settings.retry.lifetime = 10min;
    world.resolver.mx["them.example"] =
        world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
    world.send();
    world.run_for(1s);
    world.serve("them.example");
    world.resolver.delay = 1h;
    world.run_for(10min - 2s);
    EXPECT_FALSE(world.has<events::Expired>());
    world.run_for(2s);
    EXPECT_TRUE(world.has<events::Expired>("bob@them.example")) << "while the MX was asked for";
}

TEST_F(RouterTest, the_look_up_of_a_host_never_delays_expiry) {
    world.settings.retry.lifetime = 10min;
    world.serve("them.example").is_refusing = true;
    world.send();
    world.run_for(1s);
    world.server("192.0.2.1").is_refusing = false;
    world.resolver.host_delay = 1h;
    world.run_for(10min - 2s);
    EXPECT_FALSE(world.has<events::Expired>());
    world.run_for(10s);
    EXPECT_TRUE(world.has<events::Expired>("bob@them.example"));
    world.run_for(2h);
    EXPECT_FALSE(world.has<events::Delivered>());
    EXPECT_EQ(world.manager().check(), "");
}

TEST_F(RouterTest, hosts_of_routes_are_told_from_those_that_the_dns_names) {
    world.settings.routes = {{.domain = "office.example",
                              .hosts = {{"exchange.lan", 25}},
                              .lifetime = {},
                              .source = {}}};
    world.resolver.set_host("exchange.lan", {"192.0.2.7"});
    world.server("192.0.2.7");
    world.serve("them.example");
    world.send({.to = {"eve@office.example"}});
    world.run_for(1s);
    world.send();
    world.run_for(1s);
    EXPECT_EQ(world.resolver.asked_of, (std::vector{dns::HostOf::route, dns::HostOf::mx}));
}

// ---- Too many look-ups ----

constexpr auto overloaded = dns::LookupError::Kind::overloaded;

TEST_F(RouterTest, no_room_for_a_look_up_is_no_failure_of_the_domain) {
    world.serve("them.example");
    const auto known = world.resolver.mx["them.example"];
    world.resolver.mx["them.example"] = world::FakeResolver::error("too many", overloaded);
    const auto id = world.send();
    world.run_for(5min);
    EXPECT_FALSE(world.has<events::DestinationDown>());
    const auto view = world.desk().find(id)->recipients.at(0);
    EXPECT_EQ(view.reason, WaitReason::dns_turn);
    EXPECT_FALSE(view.last_error);
    EXPECT_GT(asked(), 10u) << "it asks again";
    EXPECT_LT(asked(), 50u) << "but not without end";
    EXPECT_EQ(world.manager().check(), "");
    world.resolver.mx["them.example"] = known;
    world.run_for(15s);
    EXPECT_TRUE(world.has<events::Delivered>("bob@them.example"));
}

TEST_F(RouterTest, an_answer_makes_room_for_the_next_domain_at_once) {
    world.serve("them.example");
    world.serve("us.example", "192.0.2.2");
    const auto known = world.resolver.mx["them.example"];
    world.resolver.mx["them.example"] = world::FakeResolver::error("too many", overloaded);
    world.send();
    world.run_for(100ms);
    world.resolver.mx["them.example"] = known;
    world.send({.to = {"eve@us.example"}});
    world.run_for(1s);
    EXPECT_TRUE(world.has<events::Delivered>("bob@them.example"));
}

TEST_F(RouterTest, mail_that_waits_for_room_expires_on_time) {
    world.settings.retry.lifetime = 10min;
    world.resolver.mx["them.example"] =
        world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
    world.send();
    world.run_for(1s);
    world.resolver.mx["them.example"] = world::FakeResolver::error("too many", overloaded);
    world.run_for(10min);
    EXPECT_TRUE(world.has<events::Expired>("bob@them.example"));
    EXPECT_EQ(world.manager().check(), "");
}

TEST_F(RouterTest, no_room_for_the_look_up_of_a_host_is_no_failure_of_the_host) {
    world.serve("them.example");
    const auto known = world.resolver.hosts["mx.them.example"];
    world.resolver.hosts["mx.them.example"] =
        std::unexpected(dns::LookupError{overloaded, "too many"});
    world.send();
    world.run_for(1min);
    EXPECT_FALSE(world.has<events::DestinationDown>());
    EXPECT_FALSE(world.has<events::HostFailed>());
    world.resolver.hosts["mx.them.example"] = known;
    world.run_for(2s);
    EXPECT_TRUE(world.has<events::Delivered>("bob@them.example"));
}

// ---- Floods of mail for domains whose name servers are silent ----

// The real resolver with its real limits, before an invented network: silent name servers keep a
// question for as long as the driver waits, the others answer after 20 ms.
class SilentNameServers : public RouterTest {
protected:
    SilentNameServers() {
        world.other_resolver = std::make_unique<dns::CachingResolver>(dns::CachingResolver::World{
            .ask =
                [this](const dns::Question& question, dns::Effort effort, auto on_answer,
                       auto&& /*on_cut_short*/) {
                    using namespace std::chrono_literals;
                    const bool is_dead = question.name.find("dead") != std::string::npos;
                    const auto silence = effort == dns::Effort::brief ? 500ms : 4000ms;
                    world.agenda.later(is_dead ? Millis{silence} : Millis{20ms},
                                       [answer = answer_to(question),
                                        done = std::move(on_answer)]() mutable { done(answer); });
                },
            .now = [this] { return world.agenda.now(); },
            .defer = [this](auto work) { world.agenda.later(0ms, std::move(work)); }});
    }
    static dns::Answer answer_to(const dns::Question& question) {
        using Kind = dns::LookupError::Kind;
        if (question.name.find("dead") != std::string::npos)
            return {std::unexpected(dns::LookupError{Kind::timed_out, "no answer"})};
        if (question.type == dns::RecordType::mx)
            return {dns::MxRecords{{10, "mx.live.example"}}, 60s};
        if (question.type == dns::RecordType::a)
            return {dns::Addresses{*IpAddress::parse("192.0.2.1")}, 60s};
        return {std::unexpected(dns::LookupError{Kind::no_data, "no IPv6"}), 60s};
    }
    void send_to(const std::string& prefix, int count) {
        for (int i = 0; i < count; ++i)
            world.send({.to = {"bob@" + prefix + std::to_string(i) + ".example"}});
    }
};

TEST_F(SilentNameServers, mail_for_new_domains_passes_3000_dead_ones_within_half_a_minute) {
    auto& server = world.server("192.0.2.1");
    send_to("dead", 3000);
    send_to("live", 100);
    world.run_for(40s);
    EXPECT_EQ(server.received.size(), 100u);
    send_to("later", 10);
    world.run_for(5s);
    EXPECT_EQ(server.received.size(), 110u);
    send_to("live", 100);
    world.run_for(5s);
    EXPECT_EQ(server.received.size(), 210u);
}

TEST_F(SilentNameServers, of_55000_domains_none_is_down_that_was_not_silent) {
    auto& server = world.server("192.0.2.1");
    send_to("dead", 55'000);
    send_to("live", 100);
    const auto waiting = world.desk().find(55'050);
    ASSERT_TRUE(waiting);
    world.run_for(1s);
    EXPECT_EQ(world.desk().find(55'050)->recipients.at(0).reason, WaitReason::dns_turn);
    world.run_for(12min);
    EXPECT_EQ(server.received.size(), 100u);
    EXPECT_EQ(world.count<events::DestinationDown>("live"), 0u);
    EXPECT_EQ(world.manager().check(), "");
}

}  // namespace
}  // namespace mta::outbound
