// The complaints of the users of other mail servers. Each has one test, which has the complaint as
// its name. Other tests prove some of them more thoroughly; this is the list to read from top to
// bottom.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "mta/api/why/message_words.h"
#include "mta/inbound/store_reply.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/queue_manager.h"
#include "mta/report/dsn.h"
#include "tests/outbound/world.h"
#include "tests/segment_log/log_world.h"

namespace pain {
namespace {

namespace events = mta::events;
using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;
using mta::outbound::ReportKind;
using mta::outbound::ViewState;
using mta::outbound::WaitReason;
using world::always;
using world::Mail;
using world::World;

dns::Lookup<dns::MxAnswer> trouble(dns::LookupError::Kind kind) {
    return world::FakeResolver::error("trouble", kind);
}

// Adds a route to 10.0.0.1 for branch.example, and makes the test begin at noon, local time.
void add_route(World& world, std::vector<mta::DailyWindow> hours = {}) {
    const auto time_of_day = world.start.time_since_epoch() % 24h;
    world.utc_offset_at = [time_of_day](Instant) { return Millis{12h} - time_of_day; };
    world.settings.routes.push_back({.domain = "branch.example",
                                     .hosts = {{"10.0.0.1", 25}},
                                     .deliver_between = std::move(hours)});
}

TEST(Pain, mail_is_stuck_for_days_despite_its_maximum_age) {
    struct Row {
        const char* state;
        std::function<void(World&)> arrange;
        const char* to = "bob@them.example";
        std::function<void(World&, queue::MessageId)> order = nullptr;
    };
    const auto hold = [](World& w, queue::MessageId id) { EXPECT_EQ(w.desk().hold(id, {}), 1u); };
    const std::vector<Row> rows = {
        {"waiting for its next attempt",
         [](World& w) { w.serve("them.example").reply = always("RCPT", "450 no"); }},
        {"lined up at a destination that is down",
         [](World& w) { w.serve("them.example").is_refusing = true; }},
        {"lined up behind a hung delivery",
         [](World& w) {
             w.settings.delivery.connections_per_destination_max = 1;
             w.serve("them.example").is_hanging = true;
             w.send({.from = "", .to = {"first@them.example"}});
         }},
        {"routing, while the DNS does not answer",
         [](World& w) {
             w.resolver.mx["them.example"] = trouble(dns::LookupError::Kind::timed_out);
         }},
        {"held", [](World& w) { w.serve("them.example").is_refusing = true; }, "bob@them.example",
         hold},
        {"in doubt",
         [](World& w) { w.serve("them.example").reply = always(".", "take and close"); }},
        {"outside of its hours, in which it was tried",
         [](World& w) {
             add_route(w, {{11 * 60, 13 * 60}});
             w.server("10.0.0.1").reply = always("RCPT", "450 no");
         },
         "bob@branch.example"},
        {"a delivery under way, again and again",
         [](World& w) { w.serve("them.example").reply = always("MAIL", "hang"); }},
        {"between two addresses, at a rate of one connection in eight hours",
         [](World& w) {
             w.settings.sites = {{.match = {"*"}, .connection_rate = mta::Rate{1, 8 * 3600s}}};
             w.resolver.set_mx("them.example", {"mx.them.example"});
             w.resolver.set_host("mx.them.example", {"192.0.2.1", "192.0.2.2"});
             w.server("192.0.2.1").is_refusing = w.server("192.0.2.2").is_refusing = true;
         }},
        {"behind a rate of one an hour",
         [](World& w) {
             w.settings.sites = {{.match = {"*"}, .message_rate = mta::Rate{1, 3600s}}};
             w.serve("them.example").reply = always("RCPT", "450 no");
             for (int i = 0; i < 20; ++i) w.send({.from = "", .to = {"x@them.example"}});
         }},
    };
    for (const auto& row : rows) {
        World world;
        world.settings.retry.lifetime = world.settings.retry.bounce_lifetime = 6h;
        world.settings.retry.delay_notices.clear();
        row.arrange(world);
        const auto id = world.send({.to = {row.to}});
        world.run_for(1min);
        if (row.order) row.order(world, id);
        world.run_until(world.start + 6h - 1s);
        EXPECT_TRUE(world.store.kept.contains(id)) << row.state << ": too early";
        // A delivery under way may end: it has its own deadlines.
        world.run_until(world.start + 6h + 6min);
        EXPECT_FALSE(world.store.kept.contains(id)) << row.state << ": too late";
        EXPECT_EQ(world.reports.size(), 1u) << row.state;
    }
}

TEST(Pain, a_pause_of_five_minutes_becomes_hours_of_backoff) {
    struct Row {
        const char* pause;
        std::function<void(World&, queue::MessageId)> begin;
        std::function<void(World&, queue::MessageId)> end;
    };
    const auto set_refusing = [](bool is_refusing) {
        return [is_refusing](World& w, queue::MessageId) {
            w.server("192.0.2.1").is_refusing = is_refusing;
        };
    };
    const auto set_hanging = [](bool is_hanging) {
        return [is_hanging](World& w, queue::MessageId) {
            w.server("192.0.2.1").is_hanging = is_hanging;
        };
    };
    for (const auto& row : std::vector<Row>{
             {"the destination was off", set_refusing(true), set_refusing(false)},
             {"the destination hung", set_hanging(true), set_hanging(false)},
             {"the DNS was off",
              [](World& w, queue::MessageId) {
                  w.resolver.mx["them.example"] = trouble(dns::LookupError::Kind::timed_out);
                  auto settings = w.settings;  // a reload forgets all answers of the DNS
                  settings.routes = {{.domain = "else.example", .hosts = {{"10.0.0.9", 25}}}};
                  w.manager().reload(std::make_shared<const conf::Settings>(settings));
              },
              [](World& w, queue::MessageId) {
                  w.resolver.set_mx("them.example", {"mx.them.example"});
              }},
             {"held by an operator",
              [](World& w, queue::MessageId id) { EXPECT_EQ(w.desk().hold(id, {}), 1u); },
              [](World& w, queue::MessageId id) { EXPECT_EQ(w.desk().release(id, {}), 1u); }}}) {
        World world;
        world.settings.retry.delay_notices.clear();
        auto& server = world.serve("them.example");
        server.reply = always("RCPT", "450 4.2.1 later");
        const auto id = world.send();
        world.run_for(4h);
        const auto before = world.desk().find(id)->recipients.at(0).attempts;
        row.begin(world, id);
        world.flush();
        world.run_for(5min);
        EXPECT_EQ(world.desk().find(id)->recipients.at(0).attempts, before)
            << row.pause << ": attempts are used up by what is not the message's fault";
        server.reply = nullptr;
        row.end(world, id);
        world.run_for(6min);
        EXPECT_EQ(server.received.size(), 1u) << row.pause;
    }
}

TEST(Pain, it_is_given_up_long_before_its_end_because_the_next_delay_goes_beyond) {
    for (const auto lifetime : {Millis{30min}, Millis{3h}, Millis{25h}, Millis{7 * 24h}}) {
        World world;
        world.settings.retry.lifetime = lifetime;
        world.settings.retry.delay_notices.clear();
        Instant last;
        world.serve("them.example").reply =
            [&](const std::string& command) -> std::optional<std::string> {
            if (!command.starts_with("RCPT")) return std::nullopt;
            last = world.agenda.now();
            return "450 4.2.1 later";
        };
        world.send();
        world.run_for(lifetime - 1ms);
        EXPECT_EQ(world.count<events::Expired>(), 0u);
        EXPECT_GE(last, world.start + lifetime - std::min<Millis>(61s, lifetime / 20 + 1s));
        world.run_for(2s);
        EXPECT_EQ(world.count<events::Expired>(), 1u);
    }
}

TEST(Pain, the_destination_is_up_again_and_the_mail_still_waits) {
    World world;
    world.settings.retry.delay_notices.clear();
    add_route(world);
    auto& server = world.server("10.0.0.1");
    server.is_refusing = true;
    for (int i = 0; i < 500; ++i) {
        world.send({.to = {"bob@branch.example"}});
        world.run_for(1min);
    }
    server.is_refusing = false;
    const auto back = world.agenda.now();
    world.run_for(5min + 30s);
    ASSERT_FALSE(server.received.empty());
    EXPECT_LE(server.received.front().when - back, 5min + 30s) << "one probe interval";
    EXPECT_EQ(server.received.size(), 500u);
    EXPECT_LE(server.received.back().when - server.received.front().when, 10s) << "all of it";
}

TEST(Pain, nobody_can_say_why_a_message_waits) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("RCPT", "450 4.7.1 <bob@them.example>: please come back later");
    const auto id = world.send();
    world.run_for(10min);
    server.is_refusing = true;
    world.flush();
    world.run_for(10s);
    std::optional<mta::outbound::MessageView> view;
    world.desk().describe(id, [&](auto described) { view = std::move(*described); });
    world.run_for(1s);
    ASSERT_TRUE(view);
    std::string answer;
    for (const auto& line : mta::api::words_about(*view, world.agenda.now())) answer += line + '\n';
    for (const auto* words :
         {"from ann@office.example", "bob@them.example", "mx.them.example", "connection refused",
          "It is tried in", "posthouse flush them.example", "it is given up in 4d 23h"})
        EXPECT_NE(answer.find(words), std::string::npos) << words << " is not in\n" << answer;
}

TEST(Pain, a_dead_mx_is_tried_again_and_again_while_a_live_one_waits) {
    World world;
    world.resolver.set_mx("them.example", {"mx1.them.example", "mx2.them.example"});
    world.resolver.set_host("mx1.them.example", {"192.0.2.1"});
    world.resolver.set_host("mx2.them.example", {"192.0.2.2"});
    world.server("192.0.2.1").is_refusing = true;
    auto& alive = world.server("192.0.2.2");
    for (int i = 0; i < 50; ++i) {
        world.send();
        world.run_for(20s);
    }
    EXPECT_EQ(alive.received.size(), 50u);
    EXPECT_EQ(world.count<events::DestinationDown>(), 0u) << "the destination as such works";
    const auto tries = std::ranges::count(world.connector.tried, "192.0.2.1:25");
    EXPECT_LE(tries, 12) << "the dead one is passed over, but for its own probes";
    for (const auto& received : alive.received)
        EXPECT_LE(received.when - world.start, 50 * 20s) << "no message waits for the dead server";
}

TEST(Pain, a_temporary_failure_of_the_dns_becomes_a_bounce) {
    using Kind = dns::LookupError::Kind;
    for (const auto kind :
         {Kind::server_failure, Kind::refused, Kind::timed_out, Kind::malformed}) {
        for (const bool is_mx : {true, false}) {
            World world;
            world.settings.retry.delay_notices.clear();
            auto& server = world.serve("them.example");
            const auto mx = world.resolver.mx["them.example"];
            const auto host = world.resolver.hosts["mx.them.example"];
            if (is_mx) {
                world.resolver.mx["them.example"] = trouble(kind);
            } else {
                world.resolver.hosts["mx.them.example"] =
                    std::unexpected(dns::LookupError{kind, "trouble"});
            }
            const auto id = world.send();
            world.run_for(2 * 24h);
            EXPECT_EQ(world.count<events::Failed>(), 0u);
            ASSERT_TRUE(world.store.kept.contains(id));
            EXPECT_EQ(world.store.kept.at(id).states[0].attempts, 0);
            world.resolver.mx["them.example"] = mx;
            world.resolver.hosts["mx.them.example"] = host;
            world.run_for(2h);
            EXPECT_EQ(server.received.size(), 1u);
        }
    }
}

TEST(Pain, a_limiter_is_polled_in_a_storm) {
    World world;
    world.settings.sites = {{.match = {"them.example"}, .message_rate = mta::Rate{1, 60s}}};
    auto& server = world.serve("them.example");
    queue::MessageId last = 0;
    for (int i = 0; i < 60; ++i) last = world.send();
    world.run_for(1s);
    const auto view = world.desk().find(last);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->recipients.at(0).reason, WaitReason::message_rate)
        << "it waits on the object that blocks it";
    // Counts what wakes the queue manager, except its sessions.
    std::size_t wakeups = 0;
    const auto end = world.start + 61min;
    while (world.agenda.now() < end) {
        const auto next = world.manager().next_wakeup();
        ASSERT_TRUE(next);
        world.run_until(std::max(*next, world.agenda.now() + 1ms));
        ++wakeups;
    }
    EXPECT_EQ(server.received.size(), 60u);
    EXPECT_EQ(world.count<events::AttemptStarted>(), 60u)
        << "an attempt for each message, and no more";
    EXPECT_LT(wakeups, 60u * 20) << "some for each message, not one for each that waits";
}

TEST(Pain, slow_or_old_mail_blocks_fresh_mail) {
    World world;
    world.settings.delivery.connections_per_destination_max = 2;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    for (int i = 0; i < 2000; ++i)
        world.send({.from = "list@office.example", .to = {"old@them.example"}});
    world.run_for(3h);
    server.is_refusing = false;
    server.latency = 20ms;
    world.flush();
    world.run_for(2s);
    const auto before = server.received.size();
    EXPECT_LT(before, 1000u);
    world.send({.from = "ben@office.example", .to = {"fresh@them.example"}});
    world.run_for(2s);
    const auto fresh = std::ranges::find_if(server.received, [](const world::Received& received) {
        return received.recipients.at(0) == "fresh@them.example";
    });
    ASSERT_NE(fresh, server.received.end());
    EXPECT_LE(static_cast<std::size_t>(fresh - server.received.begin()), before + 10);
    EXPECT_LT(server.received.size(), 2000u) << "the old mail is not through yet";
}

TEST(Pain, a_bounce_does_not_say_what_the_remote_said) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").reply = always("RCPT",
                                               "550-5.7.1 Our policy forbids this:\r\n550-5.7.1 "
                                               "see https://them.example/policy?id=4711\r\n"
                                               "550 5.7.1 ask Bob");
    const auto original = world.message();
    world.send();
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    const auto& outcomes = world.reports[0].outcomes;
    ASSERT_EQ(outcomes.size(), 1u);
    EXPECT_EQ(outcomes[0].error.reply_code, 550);
    queue::MessageId id = 100;
    const auto made = mta::report::make_dsns({.kind = ReportKind::failure,
                                              .original = *original,
                                              .head = original->body,
                                              .outcomes = outcomes,
                                              .now = world.agenda.now()},
                                             {.hostname = "relay.office.example", .postmaster = ""},
                                             [&id] { return id++; });
    ASSERT_EQ(made.size(), 1u);
    for (const auto* part : {"Our policy forbids this:", "https://them.example/policy?id=4711",
                             "ask Bob", "mx.them.example", "bob@them.example"})
        EXPECT_NE(made[0]->body.find(part), std::string::npos) << part;
}

TEST(Pain, the_sender_hears_nothing_for_weeks) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    world.serve("others.example", "192.0.2.2").reply = always("RCPT", "450 4.2.1 later");
    for (int i = 0; i < 100; ++i)
        world.send({.to = {i % 2 == 0 ? "bob@them.example" : "bob@others.example"}});
    world.run_for(4h + 2min);
    ASSERT_EQ(world.reports.size(), 1u) << "by default, and one for all";
    EXPECT_EQ(world.reports[0].kind, ReportKind::delay);
    EXPECT_EQ(world.reports[0].also.size() + world.reports[0].also_unlisted, 99u);
    world.run_for(20h);
    EXPECT_EQ(world.reports.size(), 2u) << "and once more after a day";
    world.run_for(5 * 24h);
    EXPECT_EQ(world.count<events::Expired>(), 100u);
    EXPECT_EQ(world.reports.size(), 102u) << "each end is reported";
}

TEST(Pain, a_crash_makes_duplicates) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always(".", "take and close");
    const auto id = world.send();
    world.run_for(1s);
    server.reply = nullptr;
    EXPECT_EQ(world.count<events::InDoubt>("bob@them.example"), 1u) << "logged";
    EXPECT_EQ(world.desk().find(id)->recipients.at(0).state, ViewState::in_doubt) << "shown";
    EXPECT_TRUE(world.store.kept.at(id).states[0].in_doubt) << "and remembered";
    // A delivery that was recorded is never made again.
    const auto done = world.send({.to = {"carl@them.example", "dora@them.example"}});
    world.run_for(1s);
    EXPECT_FALSE(world.store.kept.contains(done));
    const auto kept = world.store.kept;
    world.restart();
    for (const auto& [each, message] : kept)
        world.manager().load(queue::to_queued({message.message, message.states}));
    EXPECT_EQ(world.desk().find(id)->recipients.at(0).state, ViewState::in_doubt);
    world.run_for(1h);
    std::multiset<std::string> to;
    for (const auto& received : server.received)
        to.insert(received.recipients.begin(), received.recipients.end());
    EXPECT_EQ(to.count("carl@them.example"), 1u);
    EXPECT_EQ(to.count("dora@them.example"), 1u);
    EXPECT_EQ(to.count("bob@them.example"), 2u) << "the one that was in doubt";
}

// The suites Recovery and LogCrash cut the power at any moment and flip any bit.
TEST(Pain, a_file_of_zero_bytes_keeps_the_daemon_from_starting) {
    using namespace queue::segment_log;
    FakeDisk disk;
    queue::MessageId id = 0;
    {
        Spool spool(disk);
        id = spool.store->allocate_id();
        ASSERT_TRUE(spool.enqueue(shared_message(id, "Subject: x\r\n\r\nx\r\n")));
    }
    for (const auto* path :
         {"seg/0000000000000007.log", "seg/0000000000000008.log", "seg/0000000000000007.idx"})
        disk.put(path, "");
    disk.put("seg/0000000000000009.log", std::string(8192, '\0'));
    for (int start = 0; start < 3; ++start) {
        Spool spool(disk);
        ASSERT_FALSE(spool.error) << spool.error->text;
        EXPECT_TRUE(spool.load().contains(id)) << "and nothing else is lost";
    }
}

TEST(Pain, a_full_disk_refuses_mail_for_good) {
    using namespace queue::segment_log;
    FakeDisk disk;
    disk.set_space({.free_bytes = 1'000, .total_bytes = 1'000'000'000});
    auto options = small_options();
    options.free_percent_min = 10;
    Spool spool(disk, options);
    const auto refusal = spool.store->refusal();
    ASSERT_TRUE(refusal);
    const auto reply = mta::inbound::reply_to(*refusal);
    EXPECT_EQ(reply.code, 452);
    EXPECT_EQ(reply.status, (mta::EnhancedStatus{4, 3, 1}));
    EXPECT_NE(refusal->text.find("make room there"), std::string::npos) << "the cause has a name";
}

TEST(Pain, a_new_route_is_ignored_by_mail_that_waits) {
    for (const bool is_retry : {false, true}) {
        World world;
        auto& former = world.serve("them.example");
        const auto& latter = world.server("10.0.0.7", 2525);
        if (is_retry) {
            former.reply = always("RCPT", "450 4.2.1 later");
        } else {
            former.is_refusing = true;
        }
        world.send();
        world.run_for(2h);
        auto settings = world.settings;
        settings.routes = {{.domain = "them.example", .hosts = {{"10.0.0.7", 2525}}}};
        world.manager().reload(std::make_shared<const conf::Settings>(settings));
        world.run_for(is_retry ? Millis{3h} : Millis{1s});
        EXPECT_EQ(latter.received.size(), 1u) << is_retry;
    }
}

TEST(Pain, one_domain_s_policy_blocks_its_neighbours_on_the_same_mx) {
    // The key of a destination includes the agreements that hold for a part of its mail.
    using mta::outbound::plan_for_route;
    using mta::outbound::site_key;
    const std::string mx = "mx mx.shared.example";
    EXPECT_EQ(site_key({.next_hop = mx}), site_key({.next_hop = mx}));
    EXPECT_NE(site_key({.next_hop = mx}), site_key({.next_hop = mx, .tls_policy = "verify"}));
    EXPECT_NE(site_key({.next_hop = mx}), site_key({.next_hop = mx, .source = "news"}));
    const conf::Route plain{.domain = "a.example", .hosts = {{"10.0.0.1", 25}}};
    auto neighbour = plain;
    neighbour.domain = "b.example";
    EXPECT_EQ(plan_for_route(plain).key, plan_for_route(neighbour).key) << "they share it";
    neighbour.deliver_between = {{22 * 60, 6 * 60}};
    EXPECT_NE(plan_for_route(plain).key, plan_for_route(neighbour).key) << "unless they differ";
    // A refusal of one domain's mail is no failure of the destination.
    World world;
    for (const auto* domain : {"a.example", "b.example"})
        world.resolver.set_mx(domain, {"mx.shared.example"});
    world.resolver.set_host("mx.shared.example", {"192.0.2.1"});
    auto& server = world.server("192.0.2.1");
    server.reply = [](const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("RCPT") && command.contains("@a.example"))
            return "451 4.7.5 policy of a.example cannot be met";
        return std::nullopt;
    };
    for (int i = 0; i < 20; ++i) {
        world.send({.to = {"bob@a.example"}});
        world.send({.to = {"bob@b.example"}});
    }
    world.run_for(10s);
    EXPECT_EQ(server.received.size(), 20u);
    EXPECT_EQ(world.count<events::DestinationDown>(), 0u);
}

}  // namespace
}  // namespace pain
