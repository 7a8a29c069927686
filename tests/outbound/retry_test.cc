// The clocks: attempts, lifetime, destination health, delay notices.
#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Mail;
using world::World;

std::uint16_t attempts_of(const World& world, queue::MessageId id) {
    return world.store.kept.at(id).states[0].attempts;
}

TEST(Retry, follows_the_schedule_with_jitter) {
    World world;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    std::vector<Millis> tries;
    server.reply = [&](const std::string& command) -> std::optional<std::string> {
        if (!command.starts_with("RCPT")) return std::nullopt;
        tries.push_back(world.age(world.agenda.now()));
        return "450 4.2.1 later";
    };
    world.send();
    world.run_for(24h);
    const std::vector<Millis> pauses = {1min, 5min, 15min, 30min, 1h, 2h, 4h, 4h, 4h};
    ASSERT_GE(tries.size(), pauses.size() + 1);
    for (std::size_t i = 0; i < pauses.size(); ++i) {
        const auto pause = tries[i + 1] - tries[i];
        EXPECT_GE(pause, pauses[i] * 9 / 10) << i;
        EXPECT_LE(pause, pauses[i] * 11 / 10 + 1s) << i;
    }
}

TEST(Retry, a_greylisting_reply_sets_the_next_try) {
    World world;
    auto& server = world.serve("them.example");
    std::vector<Millis> tries;
    server.reply = [&](const std::string& command) -> std::optional<std::string> {
        if (!command.starts_with("RCPT")) return std::nullopt;
        tries.push_back(world.age(world.agenda.now()));
        if (tries.size() == 1) return "450 4.7.1 greylisted, try again in 10 minutes";
        if (tries.size() == 2) return "450 4.2.0 mailbox 300 is being moved";
        return std::nullopt;
    };
    world.send();
    world.run_for(24h);
    ASSERT_EQ(tries.size(), 3u);
    EXPECT_GE(tries[1] - tries[0], 10min);
    EXPECT_LE(tries[1] - tries[0], 11min + 1s);
    EXPECT_GE(tries[2] - tries[1], 270s) << "no hint: by the schedule";
    EXPECT_LE(tries[2] - tries[1], 331s);
}

TEST(Retry, the_state_is_in_the_store_after_each_attempt) {
    World world;
    world.serve("them.example").reply = always("RCPT", "450 4.2.1 mailbox busy");
    const auto id = world.send();
    world.run_for(2min);
    const auto& state = world.store.kept.at(id).states[0];
    EXPECT_EQ(state.attempts, 2);
    EXPECT_EQ(state.phase, queue::RecipientPhase::pending);
    EXPECT_EQ(state.last_error.reply_code, 450);
    EXPECT_EQ(state.last_error.text, "4.2.1 mailbox busy");
    EXPECT_EQ(state.last_error.remote, "mx.them.example [192.0.2.1]:25");
    EXPECT_GT(state.next_due, world.agenda.now());
}

TEST(Retry, a_delivered_recipient_is_never_tried_again) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("RCPT TO:<busy@", "450 4.2.1 later");
    const auto id = world.send({.to = {"busy@them.example", "bob@them.example"}});
    world.run_for(1h);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.store.kept.at(id).states[1].phase, queue::RecipientPhase::delivered);
    EXPECT_EQ(world.count<events::Delivered>("bob@them.example"), 1u);
}

TEST(Retry, gives_up_at_the_end_of_its_lifetime_with_a_last_attempt_just_before) {
    World world;
    auto& server = world.serve("them.example");
    world.serve("office.example", "192.0.2.9");
    Millis last{};
    server.reply = [&](const std::string& command) -> std::optional<std::string> {
        if (!command.starts_with("RCPT")) return std::nullopt;
        last = world.age(world.agenda.now());
        return "450 4.2.1 later";
    };
    world.settings.retry.delay_notices.clear();
    const auto id = world.send();
    world.run_for(5 * 24h - 1s);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    EXPECT_GE(last, 5 * 24h - 61s) << "the last retry is clipped to just before the expiry";
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes[0].error.reply_code, 450) << "the remote's last words";
    EXPECT_TRUE(world.reports[0].outcomes[0].has_expired);
    EXPECT_FALSE(world.store.kept.contains(id));
    EXPECT_EQ(world.server("192.0.2.9").received.size(), 1u) << "the report is delivered";
}

TEST(Retry, a_bounce_lives_shorter_and_a_route_may_have_its_own_lifetime) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.settings.routes = {
        {.domain = "branch.example", .hosts = {{"10.0.0.1", 25}}, .lifetime = 30 * 24h}};
    world.server("10.0.0.1").is_refusing = true;
    world.serve("them.example").reply = always("RCPT", "450 later");
    world.send({.from = "", .to = {"null@them.example"}});
    world.send({.to = {"bob@branch.example"}});
    world.send({.from = "", .to = {"null@branch.example"}});
    world.run_for(2 * 24h + 1s);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
    world.run_for(27 * 24h);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
    world.run_for(1 * 24h);
    EXPECT_EQ(world.count<events::Expired>(), 3u);
}

// A second of time in each state in which mail can be; the expiry comes in all of them.
TEST(Retry, expires_whatever_it_waits_for) {
    struct Row {
        std::string name;
        std::function<void(World&)> arrange;
        bool is_held = false;
    };
    const std::vector<Row> rows = {
        {"its next attempt",
         [](World& w) { w.serve("them.example").reply = always("RCPT", "450 no"); }},
        {"a destination that is down",
         [](World& w) { w.serve("them.example").is_refusing = true; }},
        {"a destination that hangs", [](World& w) { w.serve("them.example").is_hanging = true; }},
        {"a domain that cannot be looked up",
         [](World& w) {
             w.resolver.mx["them.example"] =
                 world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
         }},
        {"an operator", [](World& w) { w.serve("them.example").is_refusing = true; }, true},
        {"a host that drops every connection",
         [](World& w) { w.serve("them.example").reply = always("MAIL", "close"); }},
        {"a host that has too many connections",
         [](World& w) {
             w.serve("them.example").reply = always("CONNECT", "421 too many connections");
         }},
    };
    for (const auto& row : rows) {
        World world;
        world.settings.retry.lifetime = 6h;
        world.settings.retry.delay_notices.clear();
        row.arrange(world);
        const auto id = world.send();
        world.run_for(1min);
        if (row.is_held) {
            EXPECT_EQ(world.desk().hold(id, {}), 1u);
        }
        world.run_for(6h - 1min - 1s);
        EXPECT_EQ(world.count<events::Expired>(), 0u) << row.name;
        world.run_for(2min);
        EXPECT_EQ(world.count<events::Expired>(), 1u) << row.name;
        EXPECT_FALSE(world.store.kept.contains(id)) << row.name;
        EXPECT_EQ(world.reports.size(), 1u) << row.name;
    }
}

TEST(Retry, a_destination_that_is_down_uses_up_no_attempts_and_gets_one_probe_at_a_time) {
    World world;
    world.settings.routes = {{.domain = "*", .hosts = {{"10.0.0.1", 25}}, .lifetime = 30 * 24h}};
    world.settings.retry.delay_notices.clear();
    auto& server = world.server("10.0.0.1");
    server.is_refusing = true;
    std::vector<queue::MessageId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(world.send());
    world.run_for(1h);
    EXPECT_EQ(world.count<events::DestinationDown>("10.0.0.1:25"), 1u);
    const auto tried = world.connector.tried.size();
    EXPECT_LE(tried, 5u + 16u) << "at the start five at once, then one at a time";
    EXPECT_GE(tried, 5u + 10u);
    for (const auto id : ids) EXPECT_EQ(attempts_of(world, id), 0);
    const auto view = world.destinations("10.0.0.1:25").at(0);
    EXPECT_EQ(view.waiting, 50u);
    ASSERT_TRUE(view.next_probe);
    EXPECT_LE(*view.next_probe - world.agenda.now(), 5min + 30s);

    server.is_refusing = false;
    world.run_until(*view.next_probe + 2s);
    EXPECT_EQ(server.received.size(), 50u) << "the whole backlog, after one probe";
    EXPECT_EQ(world.count<events::DestinationUp>("10.0.0.1:25"), 1u);
    EXPECT_LT(server.received.front().when, server.received.back().when);
}

TEST(Retry, the_backlog_of_a_destination_comes_oldest_first_and_new_mail_beside_it) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    server.reply = always("RCPT TO:<old", "450 4.2.1 later");
    for (int i = 0; i < 4; ++i) {
        world.send({.to = {"old" + std::to_string(i) + "@them.example"}});
        world.run_for(13s);  // the jitter of their retries is less
    }
    server.is_refusing = true;
    // It was trusted; with these it is down, before the first retry.
    for (int i = 0; i < 3; ++i) world.send({.to = {"new@them.example"}});
    world.run_for(10min);  // the retries are due and wait for the destination
    for (int i = 0; i < 5; ++i) world.send({.to = {"new" + std::to_string(i) + "@them.example"}});
    server.is_refusing = false;
    server.reply = nullptr;
    world.run_for(1h);
    ASSERT_EQ(server.received.size(), 12u);
    std::vector<std::string> old;
    std::size_t last_of_old = 0;
    std::size_t first_of_new = 12;
    for (std::size_t i = 0; i < 12; ++i) {
        const auto& to = server.received[i].recipients[0];
        if (to.starts_with("old")) {
            old.push_back(to);
            last_of_old = i;
        } else {
            first_of_new = std::min(first_of_new, i);
        }
    }
    EXPECT_LT(first_of_new, last_of_old) << "old and new in turns";
    EXPECT_TRUE(std::ranges::is_sorted(old));
}

TEST(Retry, the_probes_of_a_destination_that_is_down_leave_the_order_as_it_was) {
    for (const bool is_one_sender : {true, false}) {
        World world;
        world.settings.delivery.connections_per_destination_max = 1;
        world.settings.retry.delay_notices.clear();
        auto& server = world.serve("them.example");
        server.is_refusing = true;
        const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f", "g", "h"};
        for (const auto& name : names) {
            world.send({.from = (is_one_sender ? "ann" : name) + "@office.example",
                        .to = {name + "@them.example"}});
            world.run_for(1s);
        }
        world.run_for(3h);
        EXPECT_GE(world.connector.tried.size(), 5u);
        server.is_refusing = false;
        world.run_for(2h);
        std::vector<std::string> received;
        for (const auto& message : server.received)
            received.push_back(message.recipients[0].substr(0, 1));
        EXPECT_EQ(received, names) << "the oldest first";
    }
}

// Were it the probe again and again, the destination would stay down for all.
TEST(Retry, a_message_at_which_the_host_hangs_up_is_not_the_next_probe_too) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.send({.to = {"poison@them.example"}});
    world.run_for(10min);
    for (int i = 0; i < 5; ++i) world.send();
    ASSERT_EQ(world.count<events::DestinationDown>(), 1u);
    server.is_refusing = false;
    server.reply = always("RCPT TO:<poison@", "close");
    world.run_for(3h);
    EXPECT_EQ(server.received.size(), 5u);
}

// What the store cannot give just now waits for its own retry, and the next one is the probe.
TEST(Retry, a_message_that_cannot_be_read_is_not_the_probe_again_and_again) {
    World world;
    world.settings.delivery.memory_bytes_max = 0;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.send();
    world.send();
    world.run_for(10min);
    ASSERT_EQ(world.count<events::DestinationDown>(), 1u);
    const auto probe = world.destinations("mx.them.example").at(0).next_probe;
    ASSERT_TRUE(probe);
    world.run_until(*probe - 1ms);
    server.is_refusing = false;
    world.store.reads = 0;
    world.store.read_error = {queue::StoreError::Kind::broken, "input/output error"};
    world.run_for(10s);
    EXPECT_EQ(world.store.reads, 2) << "each once";
    EXPECT_EQ(world.count<events::Unreadable>(), 2u);
    EXPECT_EQ(attempts_of(world, 1), 0);
    world.store.read_error.reset();
    world.run_for(2h);
    EXPECT_EQ(server.received.size(), 2u);
}

TEST(Retry, dns_trouble_is_charged_to_the_domain_and_ends_with_one_probe) {
    World world;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    const auto good = world.resolver.mx["them.example"];
    world.resolver.mx["them.example"] =
        world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
    std::vector<queue::MessageId> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(world.send());
    world.run_for(2h);
    EXPECT_LE(world.resolver.asked.size(), 10u) << "asked with growing pauses, once for all";
    for (const auto id : ids) EXPECT_EQ(attempts_of(world, id), 0);
    const auto view = world.desk().domain("them.example");
    ASSERT_TRUE(view && view->next_look_up);
    EXPECT_EQ(view->dns_error->status, (EnhancedStatus{4, 4, 3}));
    world.resolver.mx["them.example"] = good;
    world.run_until(*view->next_look_up + 5s);
    EXPECT_EQ(server.received.size(), 20u);
}

TEST(Retry, one_message_that_makes_hosts_hang_up_does_not_hold_the_others_up) {
    World world;
    world.settings.retry.delay_notices.clear();
    auto& server = world.serve("them.example");
    server.reply = always("RCPT TO:<poison@", "close");
    world.send({.to = {"poison@them.example"}});
    for (int minute = 0; minute < 120; ++minute) {
        world.send({.to = {"bob@them.example"}});
        world.run_for(1min);
    }
    world.run_for(1h);
    EXPECT_EQ(server.received.size(), 120u);
    EXPECT_LT(server.commands.size(), 120u * 6 + 600u) << "poison is tried with growing pauses";
}

TEST(Retry, a_lost_reply_to_the_final_dot_is_in_doubt_and_tried_again) {
    World world;
    auto& server = world.serve("them.example");
    int dots = 0;
    server.reply = [&dots](const std::string& command) -> std::optional<std::string> {
        if (command == "." && ++dots == 1) return "take and close";
        return std::nullopt;
    };
    const auto id = world.send();
    world.run_for(1s);
    EXPECT_EQ(world.count<events::InDoubt>("bob@them.example"), 1u);
    EXPECT_TRUE(world.store.kept.at(id).states[0].in_doubt);
    EXPECT_EQ(world.desk().find(id)->recipients[0].state, ViewState::in_doubt);
    world.run_for(2min);
    EXPECT_EQ(server.received.size(), 2u);
    EXPECT_FALSE(world.store.kept.contains(id));
    EXPECT_EQ(world.count<events::DestinationDown>(), 0u) << "the host had been up and willing";
}

TEST(Retry, tells_the_sender_of_a_delay_once_an_age) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").reply = always("RCPT", "450 4.2.1 later");
    world.send({.to = {"a@them.example", "b@them.example"}});
    world.send({.from = "", .to = {"null@them.example"}});
    world.run_for(4h - 1s);
    EXPECT_TRUE(world.reports.empty());
    world.run_for(1min + 2s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].kind, ReportKind::delay);
    EXPECT_EQ(world.reports[0].outcomes.size(), 2u);
    EXPECT_EQ(world.reports[0].give_up_at, world.start + 5 * 24h);
    EXPECT_EQ(world.store.kept.at(1).states[0].delay_notices, 1);
    world.run_for(20h);
    EXPECT_EQ(world.reports.size(), 2u);
    world.run_for(3 * 24h);
    EXPECT_EQ(world.reports.size(), 2u);
}

TEST(Retry, what_was_pending_keeps_its_due_time_over_a_restart) {
    World world;
    auto& server = world.serve("them.example");
    const auto made = world.message();
    world.store.add(made);
    queue::RecipientState state;
    state.attempts = 3;
    state.next_due = world.start + 10min;
    world.manager().load(queue::to_queued({made, {state}}));
    world.run_for(10min - 1s);
    EXPECT_TRUE(server.received.empty());
    world.run_for(2s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(Retry, what_came_due_while_the_relay_was_off_is_served_at_once) {
    World world;
    auto& server = world.serve("them.example");
    world.run_for(6 * 24h);
    auto late = std::make_shared<queue::Message>(*world.message());
    late->arrival = world.agenda.now() - 1h;
    queue::RecipientState state;
    state.next_due = world.start + 1h;
    world.store.add(late);
    world.manager().load(queue::to_queued({late, {state}}));
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(Retry, done_recipients_are_not_retried_after_a_restart) {
    World world;
    auto& server = world.serve("them.example");
    const auto made = world.message({.to = {"done@them.example", "open@them.example"}});
    world.store.add(made);
    queue::RecipientState done;
    done.phase = queue::RecipientPhase::delivered;
    world.manager().load(queue::to_queued({made, {done, {}}}));
    const auto all_done = world.message();
    world.store.add(all_done);
    world.manager().load(queue::to_queued({all_done, {done}}));
    world.run_for(1s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].recipients, std::vector<std::string>{"open@them.example"});
    EXPECT_TRUE(world.store.kept.empty()) << "what had no open recipient is finished";
}

TEST(Retry, a_shorter_lifetime_counts_for_what_is_queued_already) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").is_refusing = true;
    world.send();
    world.run_for(1h);
    auto settings = world.settings;
    settings.retry.lifetime = 2h;
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.run_for(1h - 1s);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
}

}  // namespace
}  // namespace mta::outbound
