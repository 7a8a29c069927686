// Servers that were off ask for their mail.
#include "mta/outbound/lifecycle/wake_ups.h"

#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using Kind = WakeUp::Kind;
using world::World;

class WakeUpsTest : public testing::Test {
protected:
    WakeUpsTest() {
        world.settings.relay.domains = {"branch.example", ".tree.example", "mx.example"};
        world.settings.routes = {{.domain = "branch.example", .hosts = {{"10.0.0.1", 25}}},
                                 {.domain = ".tree.example", .hosts = {{"10.0.0.2", 25}}},
                                 {.domain = "other.example", .hosts = {{"10.0.0.3", 25}}}};
        world.settings.retry.delay_notices.clear();
        for (const auto* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) world.server(address);
    }
    Kind wake(const std::string& domain, bool is_tree = false) {
        return world.manager().wake(domain, is_tree).kind;
    }

    World world;
};

TEST_F(WakeUpsTest, what_is_down_is_probed_at_once_and_all_goes_out) {
    auto& branch = world.server("10.0.0.1");
    branch.is_refusing = true;
    for (int i = 0; i < 20; ++i) world.send({.to = {"bob@branch.example"}});
    world.run_for(3h);
    branch.is_refusing = false;
    const auto answer = world.manager().wake("branch.example", false);
    EXPECT_EQ(answer.kind, Kind::started);
    EXPECT_EQ(answer.recipients, 20u);
    world.run_for(2s);
    EXPECT_EQ(branch.received.size(), 20u);
    EXPECT_EQ(wake("branch.example"), Kind::nothing_waits);
}

TEST_F(WakeUpsTest, what_waits_for_a_retry_goes_too_and_nobody_elses_mail) {
    for (const auto* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) {
        world.server(address).reply = [](const std::string& command) {
            return command.starts_with("RCPT") ? std::optional<std::string>("450 4.3.2 starting up")
                                               : std::nullopt;
        };
    }
    for (const auto* to :
         {"a@branch.example", "a@x.tree.example", "a@y.x.tree.example", "a@other.example"})
        world.send({.to = {to}});
    world.run_for(3h);
    for (const auto* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3"})
        world.server(address).reply = nullptr;
    EXPECT_EQ(wake("branch.example"), Kind::started);
    world.run_for(1s);
    EXPECT_EQ(world.server("10.0.0.1").received.size(), 1u);
    EXPECT_EQ(world.server("10.0.0.2").received.size(), 0u);
    EXPECT_EQ(wake("tree.example", true), Kind::started_unknown);
    world.run_for(WakeUps::pause + 1s);
    EXPECT_EQ(world.server("10.0.0.2").received.size(), 2u);
    EXPECT_EQ(world.server("10.0.0.3").received.size(), 0u);
}

TEST_F(WakeUpsTest, only_domains_that_are_kept_here_and_have_a_route) {
    struct Row {
        const char* domain;
        bool is_tree;
        bool is_ours;
    };
    for (const auto& [domain, is_tree, is_ours] :
         {Row{"branch.example", false, true}, Row{"branch.example", true, true},
          Row{"a.tree.example", false, true}, Row{"tree.example", false, false},
          Row{"tree.example", true, true}, Row{"a.tree.example", true, true},
          Row{"example", true, true}, Row{"other.example", false, false},
          Row{"other.example", true, false}, Row{"mx.example", false, false},
          Row{"sub.branch.example", false, false}, Row{"sub.branch.example", true, false},
          Row{"them.example", false, false}, Row{"xbranch.example", true, false}}) {
        EXPECT_EQ(wake(domain, is_tree) != Kind::not_ours, is_ours) << domain << is_tree;
    }
}

TEST_F(WakeUpsTest, a_tree_never_reaches_beyond_what_is_kept_here) {
    for (const auto* address : {"10.0.0.1", "10.0.0.3"}) {
        world.server(address).is_refusing = true;
    }
    world.send({.to = {"a@branch.example"}});
    world.send({.to = {"a@other.example"}});
    world.run_for(1h);
    const auto tries_of = [&](const std::string& endpoint) {
        return std::ranges::count(world.connector.tried, endpoint);
    };
    const auto before = tries_of("10.0.0.3:25");
    const auto branch_before = tries_of("10.0.0.1:25");
    EXPECT_EQ(wake("example", true), Kind::started_unknown);
    world.run_for(1s);
    EXPECT_EQ(tries_of("10.0.0.1:25"), branch_before + 1);
    EXPECT_EQ(tries_of("10.0.0.3:25"), before);
}

TEST_F(WakeUpsTest, who_asks_again_and_again_gets_no_more_than_one_probe_a_minute) {
    world.server("10.0.0.1").is_refusing = true;
    world.send({.to = {"bob@branch.example"}});
    world.run_for(1h);
    const auto before = world.connector.tried.size();
    int started = 0;
    for (int i = 0; i < 600; ++i) {
        started += wake("branch.example") == Kind::started ? 1 : 0;
        world.run_for(500ms);
    }
    EXPECT_LE(started, 5) << "in five minutes";
    EXPECT_GE(started, 5);
    EXPECT_LE(world.connector.tried.size() - before, 10u) << "with those that were due anyway";
}

TEST_F(WakeUpsTest, so_many_names_at_a_time_and_then_it_is_busy) {
    for (std::size_t i = 0; i < WakeUps::asked_max; ++i)
        EXPECT_EQ(wake("a" + std::to_string(i) + ".tree.example", true), Kind::started_unknown);
    EXPECT_EQ(wake("b.tree.example", true), Kind::busy);
    world.run_for(WakeUps::again_after);
    EXPECT_EQ(wake("b.tree.example", true), Kind::started_unknown);
}

TEST_F(WakeUpsTest, a_long_queue_costs_one_walk_in_slices) {
    world.server("10.0.0.2").is_refusing = true;
    world.server("10.0.0.1").reply = [](const std::string& command) {
        return command.starts_with("RCPT") ? std::optional<std::string>("450 4.3.2 later")
                                           : std::nullopt;
    };
    for (int i = 0; i < 45'000; ++i) world.send({.to = {"a@x.tree.example"}});
    const auto id = world.send({.to = {"a@branch.example"}});
    world.run_for(10min);
    world.server("10.0.0.1").reply = nullptr;
    EXPECT_EQ(wake("branch.example"), Kind::started);
    world.run_for(1s);
    EXPECT_FALSE(world.store.kept.contains(id));
}

TEST_F(WakeUpsTest, opens_the_hours_of_its_route_once) {
    const auto time_of_day = world.start.time_since_epoch() % 24h;
    world.utc_offset_at = [time_of_day](Instant) { return Millis{12h} - time_of_day; };
    world.settings.routes[0].deliver_between = {{22 * 60, 6 * 60}};
    world.send({.to = {"a@branch.example"}});
    world.run_for(1min);
    EXPECT_EQ(wake("branch.example"), Kind::started);
    world.run_for(1s);
    EXPECT_EQ(world.server("10.0.0.1").received.size(), 1u);
    world.send({.to = {"a@branch.example"}});
    world.run_for(1h);
    EXPECT_EQ(world.server("10.0.0.1").received.size(), 1u);
}

TEST_F(WakeUpsTest, a_second_walk_comes_after_a_pause) {
    for (const auto* address : {"10.0.0.1", "10.0.0.2"}) {
        world.server(address).reply = [](const std::string& command) {
            return command.starts_with("RCPT") ? std::optional<std::string>("450 4.3.2 starting up")
                                               : std::nullopt;
        };
    }
    for (const auto* to : {"a@branch.example", "a@x.tree.example"}) world.send({.to = {to}});
    world.run_for(3h);
    world.server("10.0.0.2").reply = nullptr;
    EXPECT_EQ(wake("branch.example"), Kind::started);
    world.run_for(1ms);
    EXPECT_EQ(wake("x.tree.example"), Kind::started);
    world.run_for(WakeUps::pause - 100ms);
    EXPECT_EQ(world.server("10.0.0.2").received.size(), 0u);
    world.run_for(200ms);
    EXPECT_EQ(world.server("10.0.0.2").received.size(), 1u);
}

TEST_F(WakeUpsTest, a_turn_looks_at_a_part_of_a_long_queue) {
    constexpr queue::MessageId count = 50'000;
    const auto due = world.start + 1h;
    for (queue::MessageId id = 1; id <= count; ++id) {
        queue::RecipientState state;
        state.next_due = due;
        world.manager().load({.id = id,
                              .arrival = world.start,
                              .recipients = {{.domain = "branch.example", .state = state}}});
    }
    const auto waits = [&](queue::MessageId id) {
        return world.desk().find(id)->recipients.at(0).next_attempt == due;
    };
    EXPECT_EQ(wake("branch.example"), Kind::started);
    world.manager().tick();
    EXPECT_FALSE(waits(1));
    EXPECT_TRUE(waits(count));
    for (int i = 0; i < 2; ++i) world.manager().tick();
    EXPECT_FALSE(waits(count));
}

TEST_F(WakeUpsTest, a_relay_that_stops_is_busy) {
    world.server("10.0.0.1").is_refusing = true;
    world.send({.to = {"bob@branch.example"}});
    world.run_for(1s);
    world.manager().drain();
    EXPECT_EQ(wake("branch.example"), Kind::busy);
}

}  // namespace
}  // namespace mta::outbound
