#include "mta/outbound/destination/host_limits.h"

#include <gtest/gtest.h>

#include "tests/outbound/world_hosts.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

// Says 421 to who comes when `most` are there already.
auto turns_away_more_than(world::Server& server, std::size_t most) {
    return [&server, most](const std::string& command) -> std::optional<std::string> {
        if (command != "CONNECT" || server.open <= most) return std::nullopt;
        return "421 4.7.0 too many connections from your address";
    };
}

TEST(HostLimits, hold_for_all_destinations_that_lead_to_the_host) {
    World world;
    world.settings.sites = {{.match = {"mx.shared.example"}, .connections_max = 3}};
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    auto& server = world.server("192.0.2.1");
    server.latency = 50ms;
    for (int i = 0; i < 5; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        world.resolver.set_mx(domain, {"mx.shared.example", "mx." + domain});
        world.resolver.set_host("mx." + domain, {"192.0.3." + std::to_string(i)});
        for (int m = 0; m < 40; ++m) world.send({.to = {"a@" + domain}});
    }
    world.run_for(1min);
    EXPECT_EQ(server.received.size(), 200u);
    EXPECT_EQ(server.open_most, 3u);
    EXPECT_EQ(world.connector.tried.size(), server.connects) << "nobody went to a backup";
    EXPECT_EQ(world.manager().check(), "");
}

TEST(HostLimits, one_destination_does_not_keep_a_shared_host_from_another) {
    World world;
    world.settings.sites = {{.match = {"mx.shared.example"}, .connections_max = 1}};
    world.settings.delivery.idle_timeout = 1h;
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    auto& server = world.server("192.0.2.1");
    world.resolver.set_mx("one.example", {"mx.shared.example"});
    world.resolver.set_mx("two.example", {"mx.shared.example", "other.two.example"});
    world.send({.to = {"a@one.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.open, 1u) << "kept for the next message";
    world.send({.to = {"a@two.example"}});
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 2u) << "an idle connection makes room";
}

TEST(HostLimits, a_host_that_has_too_many_connections_gets_no_more_than_it_bears) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = turns_away_more_than(server, 3);
    server.latency = 20ms;
    for (int i = 0; i < 500; ++i) world.send();
    world.run_for(2min);
    EXPECT_EQ(server.received.size(), 500u);
    EXPECT_FALSE(world.has<events::DestinationDown>()) << "it is no failure of the destination";
    EXPECT_FALSE(world.has<events::Deferred>());
    const auto turned_away = server.connects - 3;
    EXPECT_LT(turned_away, 20u) << "it is asked for more only now and then";
    EXPECT_EQ(world.manager().check(), "");
}

TEST(HostLimits, a_host_that_takes_nobody_is_asked_at_growing_intervals_and_is_not_down) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("CONNECT", "421 too many concurrent SMTP connections");
    queue::MessageId last = 0;
    for (int i = 0; i < 20; ++i) last = world.send();
    world.run_for(1h);
    EXPECT_LE(server.connects, 18u);
    EXPECT_GE(server.connects, 12u) << "each five minutes at last";
    EXPECT_FALSE(world.has<events::DestinationDown>());
    EXPECT_FALSE(world.has<events::Deferred>());
    EXPECT_EQ(world.manager().check(), "");
    const auto waiting = world.desk().find(last)->recipients.at(0);
    EXPECT_EQ(waiting.reason, WaitReason::destination_limit);
    EXPECT_TRUE(waiting.until && *waiting.until > world.agenda.now());
    std::optional<MessageView> view;
    world.desk().describe(last, [&](auto described) { view = std::move(*described); });
    world.run_for(1s);
    ASSERT_TRUE(view);
    const auto& blocker = view->recipients.at(0).blocker;
    EXPECT_EQ(blocker.remote, "mx.them.example:25");
    EXPECT_EQ(blocker.limit, 1u);
    EXPECT_EQ(blocker.busy, 0u);
    server.reply = nullptr;
    world.flush("them.example");
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 20u);
}

TEST(HostLimits, who_is_turned_away_as_one_too_many_goes_to_the_next_host) {
    World world;
    serve_with_hosts(world, "them.example", 2);
    world.server("192.0.2.1").reply = always("CONNECT", "421 too many connections");
    auto& second = world.server("192.0.2.2");
    world.send();
    world.run_for(1s);
    EXPECT_EQ(second.received.size(), 1u);
}

TEST(HostLimits, a_full_host_is_waited_for_and_the_backup_left_alone) {
    World world;
    world.settings.sites = {{.match = {"mx1.them.example"}, .connections_max = 1},
                            {.match = {"*"}, .connections_max = 10}};
    serve_with_hosts(world, "them.example", 2);
    for (int i = 0; i < 50; ++i) world.send();
    world.run_for(10s);
    EXPECT_EQ(world.server("192.0.2.1").received.size(), 50u);
    EXPECT_EQ(world.server("192.0.2.2").connects, 0u);
}

TEST(HostLimits, hosts_of_equal_preference_take_what_another_has_no_room_for) {
    World world;
    world.settings.sites = {
        {.match = {"mx1.them.example", "mx2.them.example"}, .connections_max = 1}};
    serve_with_hosts(world, "them.example", 2);
    dns::MxAnswer answer{{{10, "mx1.them.example"}, {10, "mx2.them.example"}}, 1h};
    world.resolver.mx["them.example"] = answer;
    for (auto* address : {"192.0.2.1", "192.0.2.2"}) world.server(address).latency = 100ms;
    for (int i = 0; i < 100; ++i) world.send();
    world.run_for(1min);
    EXPECT_EQ(world.server("192.0.2.1").received.size() + world.server("192.0.2.2").received.size(),
              100u);
    EXPECT_LE(world.server("192.0.2.1").open_most, 1u);
    EXPECT_LE(world.server("192.0.2.2").open_most, 1u);
}

TEST(HostLimits, greylisting_and_refused_recipients_do_not_shrink_it) {
    World world;
    auto& server = world.serve("them.example");
    server.latency = 50ms;
    server.reply = always("RCPT", "450 4.7.1 greylisted");
    for (int i = 0; i < 100; ++i) world.send();
    world.run_for(20s);
    EXPECT_EQ(world.count<events::Deferred>(), 100u);
    EXPECT_GE(server.open_most, 10u) << "it has grown";
}

TEST(HostLimits, a_421_in_the_dialogue_shrinks_it) {
    World world;
    auto& server = world.serve("them.example");
    server.latency = 50ms;
    for (int i = 0; i < 200; ++i) world.send();
    world.run_for(2s);
    ASSERT_GE(server.open, 8u);
    server.reply = [n = 0](const std::string& command) mutable -> std::optional<std::string> {
        if (command.starts_with("MAIL") && n++ == 0) return "421 4.3.2 overloaded";
        return std::nullopt;
    };
    for (int i = 0; i < 20; ++i) world.send();
    world.run_for(1min);
    EXPECT_EQ(server.received.size(), 220u);
    EXPECT_FALSE(world.has<events::DestinationDown>());
}

TEST(HostLimits, a_reload_that_raises_the_limit_is_felt_by_those_who_wait) {
    World world;
    world.settings.sites = {{.match = {"mx.shared.example"}, .connections_max = 1}};
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    auto& server = world.server("192.0.2.1");
    world.resolver.set_mx("one.example", {"mx.shared.example"});
    world.resolver.set_mx("two.example", {"mx.shared.example", "other.two.example"});
    server.reply = always("MAIL", "hang");
    world.send({.to = {"a@one.example"}});
    world.send({.to = {"a@two.example"}});
    world.run_for(1s);
    ASSERT_EQ(server.open, 1u);
    auto settings = world.settings;
    settings.sites[0].connections_max = 2;
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.run_for(1s);
    EXPECT_EQ(server.open, 2u);
}

TEST(HostLimits, who_waits_for_a_host_can_be_cancelled_and_drained) {
    for (const bool is_drained : {false, true}) {
        World world;
        auto& server = world.serve("them.example");
        server.reply = always("CONNECT", "421 too many connections");
        const auto id = world.send();
        world.run_for(1s);
        if (is_drained) {
            world.manager().drain();
        } else {
            world.manager().forget(id);
        }
        world.run_for(10min);
        EXPECT_EQ(server.connects, 1u);
        EXPECT_TRUE(world.manager().is_idle());
        EXPECT_EQ(world.manager().check(), "");
    }
}

// One of them is first in the host's line, and it is not being delivered either.
TEST(HostLimits, who_waits_for_a_host_can_be_held) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("CONNECT", "421 too many connections");
    std::vector<queue::MessageId> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(world.send());
    world.run_for(1h);
    for (const auto id : ids) {
        EXPECT_EQ(world.desk().hold(id, {}), 1u);
        EXPECT_EQ(world.desk().find(id)->recipients.at(0).reason, WaitReason::held);
        world.run_for(100ms);
        EXPECT_EQ(world.manager().check(), "");
    }
    server.reply = nullptr;
    world.run_for(1h);
    EXPECT_EQ(server.received.size(), 0u);
    EXPECT_EQ(world.desk().release(ids.back(), {}), 1u);
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(HostLimits, who_waits_for_a_host_expires_to_the_second) {
    World world;
    world.settings.retry.lifetime = 62min;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").reply = always("CONNECT", "421 too many connections");
    for (int i = 0; i < 20; ++i) world.send();
    world.run_for(62min - 1s);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Expired>(), 20u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(HostLimits, a_host_that_has_some_of_ours_is_full_and_one_that_has_none_is_closed) {
    HostLimits limits;
    const Instant now{1000h};
    const auto host = limits.host("mx.them.example", {.start = 5, .max = 20});
    host->connections = 3;
    HostLimits::note_too_many(*host, 3, now, 0);
    EXPECT_FALSE(HostLimits::has_room(*host, now));
    host->connections = 2;
    EXPECT_TRUE(HostLimits::has_room(*host, now)) << "it bears three";
    host->connections = 0;
    HostLimits::note_too_many(*host, 0, now, 0);
    EXPECT_FALSE(HostLimits::has_room(*host, now + HostLimits::closed_min - 1ms));
    EXPECT_TRUE(HostLimits::has_room(*host, now + HostLimits::closed_min));
}

// Three destinations, of which the first one's connection is the host's only one; the others wait.
TEST(HostLimits, who_leaves_the_line_of_a_closed_host_leaves_nobody_behind) {
    World world;
    world.settings.sites = {{.match = {"mx.shared.example"}, .connections_max = 1}};
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    world.resolver.set_host("mx.first.example", {"192.0.2.2"});
    world.server("192.0.2.2");
    auto& server = world.server("192.0.2.1");
    server.latency = 10s;
    server.reply = always("CONNECT", "421 too many connections");
    world.resolver.set_mx("first.example", {"mx.shared.example", "mx.first.example"});
    world.resolver.set_mx("second.example", {"mx.shared.example"});
    world.resolver.set_mx("third.example", {"mx.shared.example", "mx.third.example"});
    world.send({.to = {"a@first.example"}});
    world.run_for(1s);
    const auto second = world.send({.to = {"a@second.example"}});
    world.run_for(1s);
    world.send({.to = {"a@third.example"}});
    world.run_for(20s);
    ASSERT_TRUE(world.has<events::Delivered>("a@first.example")) << "at its other host";
    ASSERT_EQ(world.desk().hold(second, {}), 1u);
    server.latency = 1ms;
    server.reply = nullptr;
    world.run_for(1min);
    EXPECT_TRUE(world.has<events::Delivered>("a@third.example"));
    EXPECT_EQ(world.manager().check(), "");
}

// Both are offered to the first host, which hangs up; the second host has room for one of them, the
// other one takes its connection over, and that is gone.
TEST(HostLimits, who_loses_a_connection_that_it_waited_for_begins_its_way_anew) {
    World world;
    world.settings.sites = {{.match = {"mx1.them.example"}, .connections_max = 10},
                            {.match = {"mx2.them.example"}, .connections_max = 1}};
    serve_with_hosts(world, "them.example", 2);
    world.server("192.0.2.1").reply = always("MAIL", "421 4.3.2 overloaded");
    auto& second = world.server("192.0.2.2");
    second.latency = 50ms;
    second.reply = [mails = 0](const std::string& command) mutable -> std::optional<std::string> {
        if (command.starts_with("MAIL") && ++mails == 2) return "close";
        return std::nullopt;
    };
    world.send();
    world.send();
    world.run_for(10min);
    EXPECT_EQ(second.received.size(), 2u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(HostLimits, who_has_an_answer_does_not_wait_for_a_second_one) {
    for (const bool is_closed : {false, true}) {
        World world;
        world.settings.sites = {{.match = {"mx2.them.example"}, .connections_max = 1}};
        serve_with_hosts(world, "them.example", 2);
        world.server("192.0.2.1").reply = always("MAIL", "451 4.3.0 later");
        auto& second = world.server("192.0.2.2");
        if (is_closed) {
            second.reply = always("CONNECT", "421 too many connections");
        } else {
            second.reply = always("MAIL", "hang");
            world.resolver.set_mx("other.example", {"mx2.them.example"});
            world.send({.to = {"a@other.example"}});
            world.run_for(1s);
        }
        const auto id = world.send();
        world.run_for(1s);
        EXPECT_TRUE(world.has<events::Deferred>("bob@them.example"));
        const auto view = world.desk().find(id)->recipients.at(0);
        EXPECT_EQ(view.reason, WaitReason::next_attempt);
        ASSERT_TRUE(view.last_error);
        EXPECT_EQ(view.last_error->reply_code, 451);
        EXPECT_EQ(world.manager().check(), "");
    }
}

// The first message's last reply takes long; the second is turned away beside it and waits for the
// second host, which is busy with other mail, when the first connection becomes free.
TEST(HostLimits, who_takes_over_a_connection_keeps_to_the_message_rate) {
    World world;
    world.settings.sites = {
        {.match = {"them.example"}, .connections_max = 5, .message_rate = Rate{6, 60s}},
        {.match = {"mx2.them.example"}, .connections_max = 1}};
    serve_with_hosts(world, "them.example", 2);
    world.resolver.set_mx("other.example", {"mx2.them.example"});
    world.server("192.0.2.2").reply = always("MAIL", "hang");
    world.send({.to = {"a@other.example"}});
    world.run_for(1s);
    auto& first = world.server("192.0.2.1");
    first.reply = [&first,
                   mails = 0](const std::string& command) mutable -> std::optional<std::string> {
        if (command == "." && mails == 1) first.latency = 15s;
        if (command.starts_with("MAIL") && ++mails == 2) return "421 4.3.2 overloaded";
        return std::nullopt;
    };
    const auto begun = world.agenda.now();
    world.send();
    world.run_for(1s);
    first.latency = 1ms;
    world.send();
    world.run_for(13s);
    ASSERT_EQ(first.connects, 2u) << "the second message has been turned away";
    world.run_for(10s);
    ASSERT_EQ(first.received.size(), 2u);
    EXPECT_EQ(first.received[1].connection, 1u);
    EXPECT_GE(first.received[1].when - begun, 20s) << "its second transaction counts, too";
}

TEST(HostLimits, each_free_place_calls_one_and_no_more) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions = {"8BITMIME"};  // no message follows right behind another
    server.latency = 20ms;
    for (int i = 0; i < 500; ++i) world.send();
    world.run_for(20s);
    ASSERT_EQ(server.received.size(), 500u);
    ASSERT_EQ(server.open_most, 20u) << "so many the destination may have from now on";
    world.run_for(10s);
    server.reply = turns_away_more_than(server, 4);
    const auto before = world.count<events::AttemptStarted>();
    for (int i = 0; i < 500; ++i) world.send();
    world.run_for(2min);
    ASSERT_EQ(server.received.size(), 1000u);
    EXPECT_LT(world.count<events::AttemptStarted>() - before, 600u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(HostLimits, of_many_destinations_each_free_place_calls_one) {
    World world;
    world.settings.sites = {{.match = {"mx.shared.example"}, .connections_max = 2}};
    world.settings.delivery.idle_timeout = 10ms;
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    auto& server = world.server("192.0.2.1");
    server.latency = 20ms;
    for (int i = 0; i < 50; ++i) {
        const auto domain = "d" + std::to_string(i) + ".example";
        world.resolver.set_mx(domain, {"mx.shared.example", "mx." + domain});
        for (int m = 0; m < 4; ++m) world.send({.to = {"a@" + domain}});
    }
    world.run_for(5min);
    ASSERT_EQ(server.received.size(), 200u);
    EXPECT_EQ(server.open_most, 2u);
    EXPECT_LT(world.resolver.asked.size(), 300u) << "who is called asks for its addresses again";
    EXPECT_EQ(world.manager().check(), "");
}

// The second destination has used its connection rate up at a host of its own, or its message goes.
TEST(HostLimits, who_is_called_and_does_not_come_lets_the_next_one_go) {
    for (const bool is_forgotten : {false, true}) {
        World world;
        world.settings.delivery.idle_timeout = 10ms;
        world.settings.sites = {
            {.match = {"second.example"}, .connections_max = 5, .connection_rate = Rate{1, 60s}},
            {.match = {"mx.shared.example"}, .connections_max = 1}};
        world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
        world.resolver.set_host("mx.second.example", {"192.0.2.2"});
        world.resolver.set_mx("first.example", {"mx.shared.example"});
        world.resolver.set_mx("second.example", {"mx.second.example", "mx.shared.example"});
        world.resolver.set_mx("third.example", {"mx.shared.example", "mx.third.example"});
        world.server("192.0.2.2").is_refusing = true;
        auto& server = world.server("192.0.2.1");
        server.latency = 1s;
        world.send({.to = {"a@first.example"}});
        world.run_for(1s);
        const auto second = world.send({.to = {"a@second.example"}});
        world.run_for(1s);
        world.send({.to = {"a@third.example"}});
        world.run_for(1s);
        world.resolver.delay = 1s;
        const auto asked = world.resolver.asked.size();
        for (int i = 0; i < 200 && world.resolver.asked.size() == asked; ++i) world.run_for(100ms);
        ASSERT_EQ(world.resolver.asked.size(), asked + 1) << "the second one is called";
        if (is_forgotten) world.manager().forget(second);
        world.run_for(15s);
        EXPECT_TRUE(world.has<events::Delivered>("a@third.example"));
        EXPECT_FALSE(world.has<events::Delivered>("a@second.example"));
        EXPECT_EQ(world.manager().check(), "");
        world.run_for(1min);
        EXPECT_EQ(world.has<events::Delivered>("a@second.example"), !is_forgotten);
    }
}

// The limit is lowered while the third one, who was called, looks the host's addresses up.
TEST(HostLimits, who_is_called_and_finds_no_room_waits_again) {
    World world;
    world.settings.delivery.idle_timeout = 10ms;
    world.settings.sites = {{.match = {"first.example"}, .connections_max = 5},
                            {.match = {"mx.shared.example"}, .connections_max = 2}};
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    world.resolver.set_mx("first.example", {"mx.shared.example"});
    world.resolver.set_mx("second.example", {"mx.shared.example", "mx.second.example"});
    world.resolver.set_mx("third.example", {"mx.shared.example", "mx.third.example"});
    auto& server = world.server("192.0.2.1");
    server.reply = [&server](const std::string& command) -> std::optional<std::string> {
        if (command == ".") server.latency = server.received.empty() ? 60s : 1s;
        return std::nullopt;
    };
    world.send({.to = {"a@first.example"}});
    world.run_for(500ms);
    server.latency = 1s;
    world.send({.to = {"a@second.example"}});
    world.run_for(1s);
    world.send({.to = {"a@third.example"}});
    world.run_for(1s);
    world.resolver.delay = 1s;
    const auto asked = world.resolver.asked.size();
    for (int i = 0; i < 200 && world.resolver.asked.size() == asked; ++i) world.run_for(100ms);
    world.resolver.delay = 5ms;
    auto settings = world.settings;
    settings.sites[1].connections_max = 1;
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.send({.to = {"b@first.example"}});
    world.run_for(20s);
    EXPECT_EQ(server.connects, 2u) << "the first one is still there";
    EXPECT_EQ(world.manager().check(), "");
    world.run_for(1min);
    EXPECT_TRUE(world.has<events::Delivered>("a@third.example"));
}

}  // namespace
}  // namespace mta::outbound
