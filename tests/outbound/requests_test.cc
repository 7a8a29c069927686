// What few senders ask for: FUTURERELEASE, DELIVERBY and MT-PRIORITY, from the queue to the next
// hop.
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Mail;
using world::World;

RecipientView view_of(World& world, queue::MessageId id) {
    return world.desk().find(id)->recipients.at(0);
}

void reload(World& world, queue::MessageId id) {
    const auto kept = world.store.kept.at(id);
    world.restart();
    world.manager().load(queue::to_queued({kept.message, kept.states}));
}

// ---- FUTURERELEASE ----

TEST(FutureRelease, is_kept_until_then_and_says_so) {
    World world;
    auto& server = world.serve("them.example");
    const auto release = world.start + 30h;
    const auto id = world.send({.requests = {.release = release}});
    world.run_for(30h - 1s);
    EXPECT_TRUE(world.connector.tried.empty());
    EXPECT_TRUE(world.resolver.asked.empty()) << "the route is looked up when it is time";
    EXPECT_EQ(world.desk().counters().body_bytes_in_memory, 0u);
    const auto view = view_of(world, id);
    EXPECT_EQ(view.state, ViewState::queued);
    EXPECT_EQ(view.reason, WaitReason::future_release);
    EXPECT_EQ(view.until, release);
    EXPECT_EQ(world.desk().find(id)->requests.release, release);
    EXPECT_EQ(world.manager().check(), "");
    world.run_for(2s);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_GE(server.received[0].when, release);
    EXPECT_TRUE(world.reports.empty()) << "no delay notice for a delay that was wanted";
}

TEST(FutureRelease, survives_a_restart) {
    World world;
    auto& server = world.serve("them.example");
    const auto release = world.start + 30h;
    const auto id = world.send({.requests = {.release = release}});
    world.run_for(1h);
    reload(world, id);
    EXPECT_EQ(view_of(world, id).reason, WaitReason::future_release);
    world.run_until(release - 1s);
    EXPECT_TRUE(server.received.empty());
    world.run_for(2s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(FutureRelease, that_passed_while_the_relay_was_off_goes_at_once) {
    World world;
    auto& server = world.serve("them.example");
    const auto id = world.send({.requests = {.release = world.start + 1h}});
    world.run_for(1min);
    const auto kept = world.store.kept.at(id);
    world.restart();
    world.agenda.set_now(world.start + 5h);
    world.manager().load(queue::to_queued({kept.message, kept.states}));
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(FutureRelease, the_lifetime_counts_from_it) {
    World world;
    world.settings.retry.lifetime = 2h;
    world.settings.retry.delay_notices = {1h};
    world.serve("them.example").reply = always("RCPT", "450 4.2.1 later");
    world.serve("office.example", "192.0.2.9");
    world.send({.requests = {.release = world.start + 24h}});
    world.run_for(25h - 1s);
    EXPECT_TRUE(world.reports.empty());
    world.run_for(1min + 2s);  // others of his mail are waited for
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].kind, ReportKind::delay);
    EXPECT_EQ(world.reports[0].give_up_at, world.start + 26h);
    world.run_until(world.start + 26h - 1s);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    world.run_for(2s);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
}

TEST(FutureRelease, flush_leaves_it_alone_and_release_lets_it_go) {
    World world;
    auto& server = world.serve("them.example");
    const auto id = world.send({.requests = {.release = world.start + 24h}});
    world.run_for(1min);
    EXPECT_EQ(world.flush(), 0u);
    EXPECT_EQ(world.flush("them.example"), 0u);
    EXPECT_EQ(world.desk().flush(id, {}), 0u);
    world.run_for(1min);
    EXPECT_TRUE(server.received.empty());
    EXPECT_EQ(view_of(world, id).reason, WaitReason::future_release);
    EXPECT_EQ(world.desk().release(id, {}), 1u);
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(FutureRelease, once_released_by_an_operator_it_is_tried_like_other_mail) {
    World world;
    auto& server = world.serve("them.example");
    server.reply = always("RCPT", "450 4.2.1 later");
    const auto id = world.send({.requests = {.release = world.start + 24h}});
    EXPECT_EQ(world.desk().release(id, {}), 1u);
    world.run_for(10s);
    EXPECT_EQ(view_of(world, id).reason, WaitReason::next_attempt);
    server.reply = nullptr;
    reload(world, id);
    EXPECT_EQ(world.flush(), 1u);
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST(FutureRelease, a_hold_that_ends_before_it_leaves_it_waiting) {
    World world;
    auto& server = world.serve("them.example");
    const auto id = world.send({.requests = {.release = world.start + 24h}});
    EXPECT_EQ(world.desk().hold(id, {}), 1u);
    EXPECT_EQ(view_of(world, id).reason, WaitReason::held);
    EXPECT_EQ(world.desk().release(id, {}), 1u);
    EXPECT_EQ(view_of(world, id).reason, WaitReason::future_release);
    world.run_for(1h);
    EXPECT_TRUE(server.received.empty());
    EXPECT_EQ(world.desk().hold(id, {}), 1u);
    world.run_for(48h);
    EXPECT_TRUE(server.received.empty()) << "held";
    EXPECT_EQ(world.desk().release(id, {}), 1u);
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u) << "its time had come";
}

TEST(FutureRelease, can_be_cancelled) {
    World world;
    auto& server = world.serve("them.example");
    const auto id = world.send({.requests = {.release = world.start + 24h}});
    EXPECT_EQ(world.desk().cancel(id, {}), 1u);
    world.run_for(48h);
    EXPECT_TRUE(server.received.empty());
    EXPECT_TRUE(world.store.kept.empty());
}

TEST(FutureRelease, is_not_asked_of_the_next_hop) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.push_back("FUTURERELEASE 999999 2030-01-01T00:00:00Z");
    world.send({.requests = {.release = world.start + 1h}});
    world.run_for(2h);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_FALSE(server.received[0].sender.contains("HOLD"));
}

// ---- DELIVERBY ----

queue::Requests by(ByMode mode, Instant at, bool trace = false) {
    return {.deliver_by = {.mode = mode, .trace = trace, .at = at}};
}

TEST(DeliverBy, the_next_hop_hears_how_much_time_is_left) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.push_back("DELIVERBY");
    server.is_refusing = true;
    world.send({.requests = by(ByMode::give_back, world.start + 600s)});
    world.run_for(30s);
    server.is_refusing = false;
    world.run_for(500s);
    ASSERT_EQ(server.received.size(), 1u);
    const auto& mail = server.received[0].sender;
    const auto left = std::stoi(mail.substr(mail.find(" BY=") + 4));
    const auto at_mail = server.received[0].when - 10 * server.latency;
    EXPECT_NEAR(left, std::chrono::duration<double>(world.start + 600s - at_mail).count(), 1.1);
    EXPECT_TRUE(mail.ends_with(";R"));
    EXPECT_TRUE(world.reports.empty());
}

TEST(DeliverBy, what_is_not_delivered_in_time_comes_back_at_that_time) {
    struct Row {
        const char* name;
        void (*trouble)(world::Server&);
    };
    for (const auto& row :
         {Row{"put off",
              [](world::Server& server) { server.reply = always("RCPT", "450 4.2.1 later"); }},
          Row{"down", [](world::Server& server) { server.is_refusing = true; }},
          Row{"hanging", [](world::Server& server) { server.is_hanging = true; }}}) {
        World world;
        auto& server = world.serve("them.example");
        server.extensions.push_back("DELIVERBY");
        row.trouble(server);
        world.serve("office.example", "192.0.2.9");
        const auto id = world.send({.requests = by(ByMode::give_back, world.start + 600s)});
        world.run_for(600s - 1ms);
        EXPECT_TRUE(world.reports.empty()) << row.name;
        // A connection under way is waited for.
        world.run_for(world.settings.delivery.connect_timeout + 2s);
        ASSERT_EQ(world.reports.size(), 1u) << row.name;
        EXPECT_EQ(world.reports[0].kind, ReportKind::failure);
        const auto& outcome = world.reports[0].outcomes.at(0);
        EXPECT_TRUE(outcome.has_expired) << row.name;
        EXPECT_EQ(to_string(outcome.error.status), "5.4.7") << row.name;
        EXPECT_FALSE(world.store.kept.contains(id)) << row.name;
    }
}

TEST(DeliverBy, an_answer_that_comes_too_late_is_quoted_and_the_status_is_of_the_time) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.push_back("DELIVERBY");
    server.reply = always("RCPT", "450 4.2.1 mailbox busy");
    world.serve("office.example", "192.0.2.9");
    world.send({.requests = by(ByMode::give_back, world.start + 60s)});
    world.run_for(61s);
    ASSERT_EQ(world.reports.size(), 1u);
    const auto& error = world.reports[0].outcomes.at(0).error;
    EXPECT_EQ(error.reply_code, 450);
    EXPECT_EQ(error.text, "4.2.1 mailbox busy");
    EXPECT_EQ(to_string(error.status), "5.4.7");
    EXPECT_TRUE(world.has<events::Expired>());
}

TEST(DeliverBy, a_refusal_for_good_keeps_its_own_status) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.push_back("DELIVERBY");
    server.reply = always("RCPT", "550 5.1.1 no such user");
    world.serve("office.example", "192.0.2.9");
    world.send({.requests = by(ByMode::give_back, world.start + 60s)});
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(to_string(world.reports[0].outcomes.at(0).error.status), "5.1.1");
}

TEST(DeliverBy, with_return_nothing_goes_to_a_server_that_does_not_know_it) {
    struct Row {
        std::optional<std::string> extension;
        bool goes;
    };
    for (const auto& row : {Row{std::nullopt, false}, Row{"DELIVERBY 700", false},
                            Row{"DELIVERBY 60", true}, Row{"DELIVERBY", true}}) {
        World world;
        auto& server = world.serve("them.example");
        if (row.extension) server.extensions.push_back(*row.extension);
        world.serve("office.example", "192.0.2.9");
        world.send({.requests = by(ByMode::give_back, world.start + 600s)});
        world.run_for(5s);
        EXPECT_EQ(server.received.size(), row.goes ? 1u : 0u) << row.extension.value_or("none");
        EXPECT_EQ(world.has<events::Failed>("bob@them.example 5.4.7"), !row.goes);
        EXPECT_EQ(world.reports.size(), row.goes ? 0u : 1u);
    }
}

TEST(DeliverBy, with_notify_the_sender_is_told_when_it_is_late_and_it_goes_on) {
    World world;
    auto& server = world.serve("them.example");
    server.extensions.push_back("DELIVERBY");
    server.reply = always("RCPT", "450 4.2.1 later");
    world.serve("office.example", "192.0.2.9");
    const auto id = world.send({.requests = by(ByMode::notify, world.start + 600s)});
    world.run_for(600s - 1ms);
    EXPECT_TRUE(world.reports.empty());
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].kind, ReportKind::delay);
    EXPECT_EQ(to_string(world.reports[0].outcomes.at(0).error.status), "4.4.7");
    EXPECT_EQ(world.reports[0].outcomes.at(0).error.reply_code, 450);
    EXPECT_TRUE(world.store.kept.at(id).states[0].told_late) << "in the same step";
    reload(world, id);
    world.run_for(3h);
    EXPECT_EQ(world.reports.size(), 1u) << "once";
    server.reply = nullptr;
    world.run_for(2h);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_TRUE(server.received[0].sender.contains(" BY=-")) << server.received[0].sender;
    EXPECT_TRUE(server.received[0].sender.ends_with(";N"));
}

TEST(DeliverBy, a_hand_over_is_reported_where_the_time_is_no_longer_watched_or_each_step_wanted) {
    struct Row {
        ByMode mode;
        bool trace;
        bool has_deliver_by;
        std::uint8_t notify;
        std::string from;
        bool is_told;
    };
    const std::string ann = "ann@office.example";
    for (const auto& row :
         std::vector<Row>{{ByMode::notify, false, false, queue::notify_unspecified, ann, true},
                          {ByMode::notify, false, false, queue::notify_failure, ann, true},
                          {ByMode::notify, false, false, queue::notify_never, ann, false},
                          {ByMode::notify, false, false, queue::notify_unspecified, "", false},
                          {ByMode::notify, false, true, queue::notify_unspecified, ann, false},
                          {ByMode::notify, true, true, queue::notify_unspecified, ann, true},
                          {ByMode::notify, true, true, queue::notify_never, ann, false},
                          {ByMode::give_back, false, true, queue::notify_unspecified, ann, false},
                          {ByMode::give_back, true, true, queue::notify_unspecified, ann, true},
                          {ByMode::give_back, true, true, queue::notify_unspecified, "", false}}) {
        World world;
        auto& server = world.serve("them.example");
        server.extensions.push_back("DSN");
        if (row.has_deliver_by) server.extensions.push_back("DELIVERBY");
        world.serve("office.example", "192.0.2.9");
        world.send({.from = row.from,
                    .notify = row.notify,
                    .requests = by(row.mode, world.start + 600s, row.trace)});
        world.run_for(5s);
        EXPECT_EQ(server.received.size(), 1u);
        ASSERT_EQ(world.reports.size(), row.is_told ? 1u : 0u)
            << int(row.mode) << row.trace << row.has_deliver_by << int{row.notify} << row.from;
        for (const auto& report : world.reports) EXPECT_EQ(report.kind, ReportKind::relayed);
    }
}

// ---- MT-PRIORITY ----

TEST(Priority, goes_along_to_those_who_know_it) {
    for (const bool is_known : {false, true}) {
        World world;
        auto& server = world.serve("them.example");
        if (is_known) server.extensions.push_back("MT-PRIORITY");
        const auto id = world.send({.requests = {.priority = -7}});
        EXPECT_EQ(world.desk().find(id)->requests.priority, -7);
        world.run_for(5s);
        ASSERT_EQ(server.received.size(), 1u);
        EXPECT_EQ(server.received[0].sender.contains(" MT-PRIORITY=-7"), is_known);
    }
}

TEST(Priority, goes_along_to_each_of_several_destinations) {
    World world;
    auto& one = world.serve("one.example", "192.0.2.1");
    auto& two = world.serve("two.example", "192.0.2.2");
    one.extensions.push_back("MT-PRIORITY");
    two.extensions.push_back("MT-PRIORITY");
    world.send({.to = {"a@one.example", "b@two.example"}, .requests = {.priority = 3}});
    world.run_for(5s);
    for (const auto* server : {&one, &two}) {
        ASSERT_EQ(server->received.size(), 1u);
        EXPECT_TRUE(server->received[0].sender.contains(" MT-PRIORITY=3"));
    }
}

// Two senders with a backlog of two priorities each, at a destination that takes one at a time.
TEST(Priority, decides_within_a_sender_and_senders_stay_equal) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    constexpr int each = 600;
    for (int i = 0; i < each; ++i) {
        world.send({.from = "ann@office.example", .body = "4", .requests = {.priority = 4}});
        world.send({.from = "ann@office.example", .body = "0"});
        world.send({.from = "joe@office.example", .body = "-2", .requests = {.priority = -2}});
        world.send({.from = "joe@office.example", .body = "2", .requests = {.priority = 2}});
    }
    world.run_for(1min);
    server.is_refusing = false;
    while (server.received.size() < each) world.run_for(100ms);
    std::map<std::string, double> served;
    for (std::size_t i = 0; i < each; ++i) {
        const auto& received = server.received[i];
        const auto body = received.body.substr(0, received.body.find('\r'));
        ++served[received.sender.substr(11, 3)];
        ++served[body];
    }
    EXPECT_NEAR(served["ann"], each / 2.0, each / 2.0 * 0.1);
    EXPECT_NEAR(served["joe"], each / 2.0, each / 2.0 * 0.1);
    EXPECT_NEAR(served["4"], each / 2.0 * 0.8, each / 2.0 * 0.08);
    EXPECT_NEAR(served["0"], each / 2.0 * 0.2, each / 2.0 * 0.02);
    EXPECT_NEAR(served["2"], each / 2.0 * 0.8, each / 2.0 * 0.08);
    EXPECT_NEAR(served["-2"], each / 2.0 * 0.2, each / 2.0 * 0.02);
}

TEST(Priority, huge_mail_lets_small_mail_pass_and_gets_its_turns) {
    World world;
    world.settings.delivery.connections_per_destination_max = 1;
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    const std::string huge = "huge\r\n" + std::string(1'100'000, 'x') + "\r\n";
    for (int i = 0; i < 10; ++i) world.send({.body = huge, .is_large = true});
    for (int i = 0; i < 40; ++i) world.send({.body = "small\r\n"});
    world.run_for(1min);
    server.is_refusing = false;
    while (server.received.size() < 50) world.run_for(100ms);
    int huge_ones = 0;
    for (std::size_t i = 0; i < 25; ++i)
        huge_ones += server.received[i].body.starts_with("huge") ? 1 : 0;
    EXPECT_NEAR(huge_ones, 5, 1);
}

}  // namespace
}  // namespace mta::outbound
