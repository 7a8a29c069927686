// Destinations that say nothing do not keep connections from those that answer.
#include "mta/outbound/attempt/trials.h"

#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Server;
using world::World;

std::string tarpit(int number) { return "t" + std::to_string(number) + ".example"; }

// `silent_at`: a command; nothing: one half does not even answer SYN, the others do not greet.
void add_tarpits(World& world, int count, const std::string& silent_at = {}) {
    for (int i = 0; i < count; ++i) {
        auto& server = world.serve(
            tarpit(i), "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1));
        server.group = "tarpit";
        if (!silent_at.empty()) {
            server.reply = always(silent_at, "hang");
        } else if (i % 2 == 0) {
            server.is_hanging = true;
        } else {
            server.reply = always("CONNECT", "hang");
        }
        world.send({.to = {"x@" + tarpit(i)}});
    }
}

Server& serve_who_has_answered(World& world) {
    auto& server = world.serve("them.example");
    world.send({.to = {"bob@them.example"}});
    world.run_for(1min);
    return server;
}

// A mail a second for two hours, to a server that has answered before.
void check_that_mail_goes_at_once(World& world, Server& server, std::size_t silent_most,
                                  std::size_t mails = 7200) {
    const auto before = server.received.size();
    for (std::size_t i = 1; i <= mails; ++i) {
        const auto sent = world.agenda.now();
        world.send({.to = {"bob@them.example"}});
        world.run_until(sent + 1s);
        ASSERT_EQ(server.received.size(), before + i)
            << "it waited " << i << " s after the beginning";
        ASSERT_LE(world.connector.in_use["tarpit"], silent_most);
    }
    EXPECT_EQ(world.manager().check(), "");
}

TEST(Trials, forty_silent_hosts_and_ten_connections_do_not_delay_who_answers) {
    World world;
    world.settings.delivery.connections_max = 10;
    world.settings.retry.delay_notices.clear();
    auto& server = serve_who_has_answered(world);
    add_tarpits(world, 40);
    check_that_mail_goes_at_once(world, server, 2);
}

// Where the message has left, as it has with CHUNKING at once, nothing is broken off, and a part of
// the connections is kept for who answers.
TEST(Trials, hosts_that_fall_silent_at_any_stage_do_not_delay_who_answers) {
    const struct {
        std::string stage;
        bool has_chunking;
        std::size_t silent_most;
    } cases[] = {{"MAIL", false, 2}, {"RCPT", false, 2}, {"DATA", false, 2},
                 {".", false, 8},    {"MAIL", true, 8},  {"BDAT", true, 8}};
    for (const auto& [stage, has_chunking, silent_most] : cases) {
        SCOPED_TRACE(stage);
        World world;
        world.settings.delivery.connections_max = 10;
        world.settings.retry.delay_notices.clear();
        auto& server = serve_who_has_answered(world);
        for (int i = 0; i < 40; ++i)
            if (has_chunking)
                world.server("10.1.0." + std::to_string(i + 1)).extensions = {"PIPELINING",
                                                                              "CHUNKING"};
        add_tarpits(world, 40, stage);
        check_that_mail_goes_at_once(world, server, silent_most, 1200);
    }
}

TEST(Trials, a_message_that_has_left_is_not_broken_off_whoever_waits) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    add_tarpits(world, 40, ".");
    world.run_for(11min);
    EXPECT_EQ(world.count<events::InDoubt>(), 3u) << "one connection is for those that answer";
    EXPECT_FALSE(world.has<events::DestinationDown>());
}

// The body has left, but was refused: what begins then is a trial as the first one was.
TEST(Trials, a_second_session_after_one_without_chunking_is_one_again) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    add_tarpits(world, 3);
    for (int i = 0; i < 3; ++i) {
        auto& server = world.server("10.1.0." + std::to_string(i + 1));
        server.is_hanging = false;
        server.extensions = {"PIPELINING", "CHUNKING"};
        server.reply = [&server](const std::string& command) {
            if (server.connects > 1) return std::optional<std::string>("hang");
            if (!command.starts_with("BDAT")) return std::optional<std::string>();
            return std::optional<std::string>("502 5.5.1 not here");
        };
    }
    // While the first body is under way the second one begins.
    world.run_for(Trials::first_patience);
    for (int i = 0; i < 60; ++i) {
        world.run_for(1s);
        EXPECT_LE(world.connector.in_use["tarpit"], 1u) << "after " << i << " s";
    }
}

TEST(Trials, two_thousand_tarpits_and_the_defaults_do_not_delay_who_answers) {
    World world;
    world.settings.retry.delay_notices.clear();
    auto& server = serve_who_has_answered(world);
    add_tarpits(world, 2000);
    check_that_mail_goes_at_once(world, server, 125);
}

// They are cut after five seconds each. Half of the trials may be probes of those by then.
TEST(Trials, first_attempts_that_get_no_answer_do_not_delay_another_first_attempt_for_long) {
    for (const auto& [connections, stage] : {std::pair{10u, ""}, std::pair{500u, ""},
                                             std::pair{10u, "MAIL"}, std::pair{10u, "DATA"}}) {
        World world;
        world.settings.delivery.connections_max = connections;
        world.settings.retry.delay_notices.clear();
        const int tarpits = connections == 10 ? 40 : 2000;
        add_tarpits(world, tarpits, stage);
        auto& server = world.serve("them.example");
        world.send({.to = {"bob@them.example"}});
        const auto trials = static_cast<int>(connections / 4);
        const auto rounds = tarpits / (trials - trials / 2) + 1;
        world.run_for(rounds * Trials::first_patience + 1s);
        EXPECT_EQ(server.received.size(), 1u);
        EXPECT_EQ(world.manager().check(), "");
    }
}

TEST(Trials, a_slow_host_has_all_its_time_when_nobody_waits_and_at_its_next_attempt) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    auto& slow = world.serve("slow.example", "192.0.2.1");
    slow.latency = 10s;
    world.send({.to = {"bob@slow.example"}});
    world.run_for(5min);
    ASSERT_EQ(slow.received.size(), 1u) << "alone it is not cut";
    auto& slower = world.serve("slower.example", "192.0.2.2");
    slower.latency = 10s;
    world.send({.to = {"bob@slower.example"}});
    world.run_for(1s);
    auto& quick = world.serve("quick.example", "192.0.2.3");
    world.send({.to = {"bob@quick.example"}});
    world.run_for(5s);
    EXPECT_EQ(quick.received.size(), 1u) << "the slower one has made room";
    EXPECT_EQ(world.count<events::DestinationDown>("mx.slower.example"), 1u);
    world.run_for(5min);
    EXPECT_EQ(slower.received.size(), 1u);
}

// What is cut short is not the attempt after which mail may expire.
TEST(Trials, a_first_attempt_that_is_cut_is_not_the_last_of_old_mail) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    auto& slow = world.serve("slow.example", "192.0.2.1");
    slow.latency = 10s;
    world.serve("quick.example", "192.0.2.3");
    auto old = std::make_shared<queue::Message>(*world.message({.to = {"bob@slow.example"}}));
    old->arrival = world.start - 6 * 24h;
    world.store.add(old);
    world.manager().load(queue::to_queued({old, {}}));
    world.run_for(1s);
    world.send({.to = {"bob@quick.example"}});
    world.run_for(5min);
    EXPECT_EQ(world.count<events::DestinationDown>("mx.slow.example"), 1u);
    EXPECT_EQ(slow.received.size(), 1u);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
}

// Somebody begins to wait for the place of a probe whose thirty seconds were over minutes ago. That
// is no leap of the clock, after which mail does not expire before it was tried.
TEST(Trials, a_probe_that_is_broken_off_late_does_not_prolong_the_life_of_mail) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    for (int i = 0; i < 2; ++i) {
        auto& server = world.serve(tarpit(i), "10.1.0." + std::to_string(i + 1));
        server.reply = always("CONNECT", "hang");
    }
    world.serve("dead.example").is_refusing = true;
    world.settings.retry.lifetime = 24h;
    const std::size_t alive = 24 * 6 - 1;
    for (std::size_t i = 0; i < 500; ++i) {
        if (i % alive == 0) world.send({.to = {"x@" + tarpit(0), "x@" + tarpit(1)}});
        world.send({.to = {"bob@dead.example"}});
        world.run_for(10min);
        EXPECT_EQ(world.count<events::Expired>("bob@dead.example"), i + 1 - std::min(i + 1, alive));
    }
}

TEST(Trials, who_was_silent_before_does_not_delay_who_was_never_tried) {
    World world;
    world.settings.delivery.connections_max = 10;
    world.settings.retry.delay_notices.clear();
    add_tarpits(world, 40);
    world.run_for(3h);
    for (int i = 0; i < 20; ++i) {
        const auto domain = "new" + std::to_string(i) + ".example";
        const auto& server = world.serve(domain, "192.0.2." + std::to_string(i + 1));
        world.send({.to = {"bob@" + domain}});
        world.run_for(1s);
        EXPECT_EQ(server.received.size(), 1u) << i;
        world.run_for(3min);
    }
}

TEST(Trials, who_was_silent_and_answers_again_is_found_by_its_probe) {
    World world;
    world.settings.delivery.connections_max = 10;
    world.settings.retry.delay_notices.clear();
    add_tarpits(world, 40);
    world.run_for(3h);
    for (int i = 0; i < 40; ++i) {
        auto& server = world.server("10.1.0." + std::to_string(i + 1));
        server.is_hanging = false;
        server.reply = nullptr;
    }
    world.run_for(3h);
    EXPECT_EQ(world.count<events::Delivered>(), 40u);
}

// One place for all that do not answer.
TEST(Trials, a_silent_host_does_not_keep_others_from_their_probes_for_long) {
    for (const auto* hang : {"at SYN", "at the greeting"}) {
        SCOPED_TRACE(hang);
        World world;
        world.settings.delivery.connections_max = 4;
        world.settings.retry.delay_notices.clear();
        add_tarpits(world, hang == std::string("at SYN") ? 1 : 2);
        auto& server = world.serve("them.example");
        server.is_refusing = true;
        world.send({.to = {"bob@them.example"}});
        world.run_for(5h);
        ASSERT_EQ(world.count<events::DestinationDown>("mx.them.example"), 1u);
        server.is_refusing = false;
        world.run_for(queue::mx_probes.interval_max * 11 / 10 + Trials::probe_patience + 1s);
        EXPECT_EQ(server.received.size(), 1u);
        EXPECT_EQ(world.manager().check(), "");
    }
}

TEST(Trials, a_probe_that_gets_no_answer_does_not_delay_a_first_attempt_for_long) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    add_tarpits(world, 2);
    // The second one accepts and says nothing.
    world.run_for(5min);
    for (int i = 0; i < 50; ++i) {
        const auto domain = "new" + std::to_string(i) + ".example";
        const auto& server = world.serve(domain, "192.0.2." + std::to_string(i + 1));
        world.send({.to = {"bob@" + domain}});
        world.run_for(Trials::probe_patience + 1s);
        EXPECT_EQ(server.received.size(), 1u) << i;
        world.run_for(67s);
    }
}

TEST(Trials, a_host_that_is_very_slow_to_answer_is_found_while_others_wait) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.retry.delay_notices.clear();
    add_tarpits(world, 20);
    auto& slow = world.serve("slow.example", "192.0.2.1");
    slow.latency = 20s;
    world.send({.to = {"bob@slow.example"}});
    world.run_for(24h);
    EXPECT_EQ(slow.received.size(), 1u);
}

TEST(Trials, who_answers_all_the_time_leaves_others_their_turns) {
    World world;
    world.settings.delivery.connections_max = 4;
    world.settings.delivery.messages_per_connection_max = 1;
    for (int i = 0; i < 4; ++i) {
        auto& server = world.serve("busy" + std::to_string(i) + ".example",
                                   "192.0.2." + std::to_string(i + 1));
        server.latency = 50ms;
        for (int n = 0; n < 500; ++n)
            world.send({.to = {"bob@busy" + std::to_string(i) + ".example"}});
    }
    world.run_for(30s);
    auto& fresh = world.serve("fresh.example", "192.0.2.99");
    world.send({.to = {"bob@fresh.example"}});
    world.run_for(3s);
    EXPECT_EQ(fresh.received.size(), 1u);
    EXPECT_LT(world.count<events::Delivered>(), 2000u) << "the others are busy still";
}

// The domains have one host in common, which takes a few connections and says nothing.
TEST(Trials, that_have_waited_for_a_host_are_counted_when_they_are_called) {
    World world;
    world.settings.delivery.connections_max = 16;
    world.settings.retry.delay_notices.clear();
    auto& server = serve_who_has_answered(world);
    auto& silent = world.server("10.1.0.1");
    silent.group = "tarpit";
    silent.reply = always("CONNECT", "hang");
    world.resolver.set_host("mx.silent.example", {"10.1.0.1"});
    for (int i = 0; i < 96; ++i) {
        const auto address = "10.2.0." + std::to_string(i + 1);
        world.resolver.set_mx(tarpit(i), {"mx.silent.example", "mx." + tarpit(i)});
        world.resolver.set_host("mx." + tarpit(i), {address});
        auto& own = world.server(address);
        own.group = "tarpit";
        own.is_hanging = true;
        world.send({.to = {"x@" + tarpit(i)}});
    }
    check_that_mail_goes_at_once(world, server, 4);
}

TEST(Trials, who_waits_for_its_rate_holds_no_connection) {
    World world;
    world.settings.delivery.connections_max = 8;
    world.settings.sites = {{.match = {".rated.example"}, .connection_rate = mta::Rate{2, 60s}}};
    for (int i = 0; i < 12; ++i) {
        const auto domain = "r" + std::to_string(i) + ".rated.example";
        std::vector<std::string> addresses;
        for (int n = 1; n <= 5; ++n) {
            addresses.push_back("10.1." + std::to_string(i) + "." + std::to_string(n));
            world.server(addresses.back()).is_refusing = true;
        }
        world.resolver.set_mx(domain, {"mx." + domain});
        world.resolver.set_host("mx." + domain, addresses);
        world.send({.to = {"x@" + domain}});
    }
    world.run_for(5s);
    const auto& server = world.serve("them.example");
    world.send({.to = {"bob@them.example"}});
    world.run_for(5s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.manager().check(), "");
    world.run_for(6h);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(Trials, a_route_does_not_wait_behind_silent_domains) {
    World world;
    world.settings.delivery.connections_max = 16;
    world.settings.retry.delay_notices.clear();
    world.settings.routes = {
        {.domain = "them.example", .hosts = {{"192.0.2.1", 25}}, .lifetime = {}, .source = {}}};
    const auto& server = world.serve("them.example");
    add_tarpits(world, 40);
    world.run_for(1s);
    world.send({.to = {"bob@them.example"}});
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

// The places of trials are taken all the time, but for that of those that were silent.
TEST(Trials, a_host_that_is_very_slow_to_answer_is_found_while_untried_ones_wait) {
    World world;
    world.settings.delivery.connections_max = 40;
    world.settings.retry.delay_notices.clear();
    auto& slow = world.serve("slow.example", "192.0.2.1");
    slow.latency = 15s;
    world.send({.to = {"bob@slow.example"}});
    for (int i = 0; i < 2400; ++i) {
        const auto domain = "new" + std::to_string(i) + ".example";
        auto& server = world.serve(
            domain, "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1));
        server.latency = 1200ms;
        world.send({.to = {"bob@" + domain}});
        world.run_for(333ms);
    }
    EXPECT_EQ(slow.received.size(), 1u);
    EXPECT_EQ(world.count<events::DestinationDown>("mx.new"), 0u);
}

TEST(Trials, say_what_they_wait_for) {
    World world;
    world.settings.delivery.connections_max = 10;
    add_tarpits(world, 3);
    world.run_for(1s);
    EXPECT_EQ(world.connector.in_use_total, 2u);
    std::optional<MessageView> view;
    world.desk().describe(3, [&](auto described) { view = std::move(*described); });
    world.run_for(1s);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->recipients.at(0).reason, WaitReason::unanswered_limit);
    EXPECT_EQ(view->recipients.at(0).blocker.busy, 2u);
    EXPECT_EQ(view->recipients.at(0).blocker.limit, 2u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(Trials, who_answers_is_known_after_a_restart) {
    World world;
    world.settings.delivery.connections_max = 10;
    world.settings.retry.delay_notices.clear();
    auto& server = serve_who_has_answered(world);
    const auto hints = world.manager().hints();
    world.restart();
    world.manager().restore(hints);
    add_tarpits(world, 40);
    check_that_mail_goes_at_once(world, server, 2);
}

TEST(Trials, who_is_used_seldom_is_known_for_an_hour) {
    World world;
    world.settings.delivery.connections_max = 10;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    world.send({.to = {"bob@them.example"}});
    world.run_for(50min);
    add_tarpits(world, 40);
    world.run_for(1s);
    world.send({.to = {"bob@them.example"}});
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 2u);
}

}  // namespace
}  // namespace mta::outbound
