// Look-ups of hosts that take long.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "dns/resolver.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;
using world::World;

// The World's resolver, but the addresses of some hosts come late.
class SlowResolver final : public dns::Resolver {
public:
    explicit SlowResolver(World& world) : world_(world) {}

    void look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) override {
        world_.resolver.look_up_mx(domain, freshness, std::move(on_answer));
    }
    void look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                           OnAddresses on_answer) override {
        auto takes = std::max(answers_at[host] - world_.agenda.now(), Millis{});
        if (host.starts_with("many")) takes = 850ms;
        world_.agenda.later(
            takes, [this, host, of, freshness, done = std::move(on_answer)]() mutable {
                world_.resolver.look_up_addresses(host, of, freshness, std::move(done));
            });
    }

    std::map<std::string, Instant> answers_at;

private:
    World& world_;
};

class LongLookUps : public testing::Test {
protected:
    LongLookUps() {
        world.settings.retry.delay_notices.clear();
        auto slow = std::make_unique<SlowResolver>(world);
        resolver = slow.get();
        world.other_resolver = std::move(slow);
    }
    void send_slowly(const std::string& domain, Millis takes) {
        resolver->answers_at["mx." + domain] = world.agenda.now() + takes;
        world.send({.to = {"bob@" + domain}});
    }
    void time_out(const std::string& host) {
        world.resolver.hosts[host] =
            std::unexpected(dns::LookupError{dns::LookupError::Kind::timed_out, "no answer"});
    }

    World world;
    SlowResolver* resolver = nullptr;
};

TEST_F(LongLookUps, hold_no_connection) {
    world.settings.delivery.connections_max = 2;
    for (int i = 0; i < 10; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        world.serve(domain, "192.0.2." + std::to_string(10 + i));
        time_out("mx." + domain);
        send_slowly(domain, 100s);
    }
    world.serve("good.example", "192.0.2.100");
    world.send({.to = {"ann@good.example"}});
    world.run_for(12s);
    EXPECT_TRUE(world.has<events::Delivered>("ann@good.example"));
    EXPECT_EQ(world.manager().check(), "");
    world.run_for(90s);
    EXPECT_EQ(world.count<events::HostFailed>(), 10u) << "and each ends in its time";
    EXPECT_EQ(world.manager().check(), "");
}

TEST_F(LongLookUps, are_made_once_for_all_mail_of_a_destination) {
    world.serve("them.example");
    resolver->answers_at["mx.them.example"] = world.start + 30s;
    for (int i = 0; i < 50; ++i) world.send({.to = {"bob@them.example"}});
    world.run_for(29s);
    EXPECT_EQ(world.manager().check(), "");
    EXPECT_EQ(world.count<events::Delivered>(), 0u);
    EXPECT_EQ(world.desk().find(50)->recipients.at(0).reason, WaitReason::dns_answer);
    world.run_for(31s);
    EXPECT_EQ(world.count<events::Delivered>(), 50u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST_F(LongLookUps, are_told_with_their_host_and_since_when) {
    world.serve("them.example");
    resolver->answers_at["mx.them.example"] = world.start + 30s;
    const std::vector ids = {world.send(), world.send()};
    for (const Millis age : {500ms, 20'000ms}) {
        world.run_until(world.start + age);
        for (const auto id : ids) {
            std::optional<RecipientView> view;
            world.desk().describe(
                id, [&](auto described) { view = std::move(described->recipients.at(0)); });
            world.run_for(10ms);
            ASSERT_TRUE(view && view->blocker.looks_up_since);
            EXPECT_EQ(*view->blocker.looks_up_since, world.start + world.resolver.delay);
            const bool is_delivering = view->reason == WaitReason::delivering;
            EXPECT_EQ(view->blocker.remote, is_delivering ? "mx.them.example" : "");
        }
    }
}

TEST_F(LongLookUps, go_on_to_the_next_host_when_they_fail) {
    world.settings.delivery.connections_max = 1;
    world.serve("them.example");
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx.them.example"});
    time_out("mx1.them.example");
    resolver->answers_at["mx1.them.example"] = world.start + 60s;
    send_slowly("them.example", 120s);
    world.serve("good.example", "192.0.2.2");
    world.send({.to = {"ann@good.example"}});
    world.run_for(10s);
    EXPECT_TRUE(world.has<events::Delivered>("ann@good.example"));
    world.run_for(112s);
    EXPECT_TRUE(world.has<events::Delivered>("bob@them.example"));
    EXPECT_EQ(world.count<events::Deferred>(), 0u);
}

// Two in ten minutes are one each five, from the first one on.
// Fifty names, none of which takes a second.
TEST_F(LongLookUps, of_many_hosts_one_after_the_other_hold_none_either) {
    world.settings.delivery.connections_max = 8;
    for (int i = 0; i < 4; ++i) {
        std::vector<std::string> hosts;
        for (int n = 0; n < 50; ++n) {
            hosts.push_back("many" + std::to_string(n) + ".d" + std::to_string(i) + ".example");
            time_out(hosts.back());
        }
        world.resolver.set_mx("d" + std::to_string(i) + ".example", hosts);
        world.send({.to = {"bob@d" + std::to_string(i) + ".example"}});
    }
    world.run_for(1s);
    world.serve("good.example", "192.0.2.100");
    world.send({.to = {"ann@good.example"}});
    world.run_for(10s);
    EXPECT_TRUE(world.has<events::Delivered>("ann@good.example"));
    EXPECT_EQ(world.manager().check(), "");
}

TEST_F(LongLookUps, use_rates_when_they_have_ended) {
    world.settings.sites = {{.match = {"*"}, .connection_rate = mta::Rate{2, 600s}}};
    world.settings.delivery.messages_per_connection_max = 1;
    const auto& server = world.serve("them.example");
    send_slowly("them.example", 100s);
    world.run_for(101s);
    EXPECT_EQ(server.received.size(), 1u);
    world.send({.to = {"ann@them.example"}});
    world.send({.to = {"joe@them.example"}});
    world.run_for(298s);
    EXPECT_EQ(server.received.size(), 1u);
    world.run_for(2s);
    EXPECT_EQ(server.received.size(), 2u);
    world.run_for(298s);
    EXPECT_EQ(server.received.size(), 2u);
    world.run_for(2s);
    EXPECT_EQ(server.received.size(), 3u);
}

TEST_F(LongLookUps, wait_for_their_turn_if_no_connection_is_left) {
    world.settings.delivery.connections_max = 1;
    world.serve("them.example");
    send_slowly("them.example", 30s);
    world.run_for(20s);
    auto& busy = world.serve("busy.example", "192.0.2.2");
    busy.reply = world::always(".", "hang");
    world.send({.to = {"ann@busy.example"}});
    world.run_for(40s);
    EXPECT_FALSE(world.has<events::Delivered>("bob@them.example"));
    EXPECT_EQ(world.manager().check(), "");
    EXPECT_EQ(world.connector.in_use_total, 1u);
    busy.reply = nullptr;
    world.run_for(1h);
    EXPECT_TRUE(world.has<events::Delivered>("ann@busy.example"));
    EXPECT_TRUE(world.has<events::Delivered>("bob@them.example"));
    EXPECT_EQ(world.manager().check(), "");
}

}  // namespace
}  // namespace mta::outbound
