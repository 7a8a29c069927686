// Routes that deliver at certain hours of the day only.
#include "mta/outbound/destination/delivery_hours.h"

#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::Mail;
using world::World;

// A world whose clock on the wall shows noon at its beginning, and a route to 10.0.0.1 with hours.
class HoursTest : public testing::Test {
protected:
    HoursTest() {
        const auto time_of_day = world.start.time_since_epoch() % 24h;
        world.utc_offset_at = [time_of_day](Instant) { return Millis{12h} - time_of_day; };
        world.settings.routes = {{.domain = "branch.example",
                                  .hosts = {{"10.0.0.1", 25}},
                                  .lifetime = 10 * 24h,
                                  .deliver_between = {{22 * 60, 6 * 60}}}};
        world.serve("office.example", "192.0.2.9");
    }

    queue::MessageId send(const std::string& to = "bob@branch.example") {
        return world.send({.to = {to}});
    }
    RecipientView view(queue::MessageId id) { return world.desk().find(id)->recipients.at(0); }
    [[nodiscard]] Instant at(Millis since_noon) const { return world.start + since_noon; }

    World world;
    world::Server& server = world.server("10.0.0.1");
};

TEST_F(HoursTest, mail_waits_for_them_without_an_attempt_and_goes_at_their_beginning) {
    const auto id = send();
    world.run_until(at(10h - 1s));
    EXPECT_EQ(world.connector.tried.size(), 0u) << "no attempt, no probe";
    EXPECT_EQ(view(id).reason, WaitReason::window);
    EXPECT_EQ(view(id).until, at(10h));
    EXPECT_EQ(view(id).next_attempt, at(10h));
    EXPECT_EQ(view(id).attempts, 0);
    EXPECT_EQ(world.destinations().at(0).opens_at, at(10h));
    EXPECT_EQ(world.manager().check(), "");
    world.run_until(at(10h + 1s));
    EXPECT_EQ(server.received.size(), 1u);
    send();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 2u) << "within them mail goes at once";
}

TEST_F(HoursTest, they_are_those_of_the_clock_on_the_wall_also_in_the_night_when_it_changes) {
    const auto time_of_day = world.start.time_since_epoch() % 24h;
    // At three in the morning it is put back to two.
    world.utc_offset_at = [this, time_of_day](Instant when) {
        return Millis{12h} - time_of_day - (when >= at(15h) ? 1h : 0h);
    };
    send();
    world.run_until(at(10h + 1s));
    EXPECT_EQ(server.received.size(), 1u);
    world.run_until(at(19h - 1s));
    send();
    world.run_for(500ms);
    EXPECT_EQ(server.received.size(), 2u) << "06:00 is an hour later this time";
    world.run_until(at(19h + 1s));
    send();
    world.run_until(at(35h - 1s));
    EXPECT_EQ(server.received.size(), 2u);
    world.run_until(at(35h + 1s));
    EXPECT_EQ(server.received.size(), 3u);
}

TEST_F(HoursTest, the_backlog_goes_oldest_first_and_begins_with_one_connection) {
    for (int i = 0; i < 40; ++i) {
        send("u" + std::to_string(100 + i) + "@branch.example");
        world.run_for(1s);
    }
    server.latency = 100ms;
    world.run_until(at(10h + 150ms));
    EXPECT_EQ(server.open_most, 1u) << "one at first";
    world.run_until(at(10h + 1min));
    EXPECT_GT(server.open_most, 2u) << "and more with success";
    ASSERT_EQ(server.received.size(), 40u);
    // Side by side they may overtake each other by a few.
    for (std::size_t i = 0; i < 40; ++i) {
        const auto number = std::stoul(server.received[i].recipients[0].substr(1)) - 100;
        EXPECT_NEAR(static_cast<double>(number), static_cast<double>(i), 10) << i;
    }
}

TEST_F(HoursTest, at_their_end_what_is_under_way_is_finished_and_the_connections_close) {
    world.settings.delivery.idle_timeout = 1h;
    world.run_until(at(18h - 300ms));
    server.latency = 100ms;
    const auto first = send("first@branch.example");
    world.run_until(at(18h + 50ms));
    EXPECT_EQ(view(first).state, ViewState::delivering);
    const auto second = send("second@branch.example");
    world.run_until(at(18h + 5s));
    EXPECT_EQ(server.received.size(), 1u) << "it was under way";
    EXPECT_EQ(server.open, 0u) << "no connection is kept";
    EXPECT_EQ(view(second).reason, WaitReason::window);
    world.run_until(at(34h - 1s));
    EXPECT_EQ(server.received.size(), 1u);
    world.run_until(at(34h + 5s));
    EXPECT_EQ(server.received.size(), 2u);
}

TEST_F(HoursTest, at_their_end_no_further_host_is_tried) {
    world.settings.routes[0].hosts.push_back({"10.0.0.2", 25});
    auto& second = world.server("10.0.0.2");
    server.is_hanging = true;
    world.run_until(at(18h - 1s));
    send();
    world.run_until(at(34h - 1s));
    EXPECT_EQ(second.connects, 0u);
    world.run_until(at(34h + 10min));
    EXPECT_EQ(second.received.size(), 1u);
}

TEST_F(HoursTest, an_idle_connection_is_closed_at_their_end) {
    world.settings.delivery.idle_timeout = 1h;
    world.run_until(at(18h - 10min));
    send();
    world.run_for(1min);
    EXPECT_EQ(server.open, 1u);
    world.run_until(at(18h + 1s));
    EXPECT_EQ(server.open, 0u);
}

TEST_F(HoursTest, a_destination_that_was_down_at_their_end_is_probed_at_their_beginning_only) {
    world.run_until(at(17h));
    server.is_refusing = true;
    const auto id = send();
    world.run_until(at(18h + 1s));
    const auto tries = [&] { return std::ranges::count(world.connector.tried, "10.0.0.1:25"); };
    const auto tried = tries();
    EXPECT_GT(tried, 5);
    world.run_until(at(34h - 1s));
    EXPECT_EQ(tries(), tried) << "no probe in between";
    EXPECT_EQ(view(id).reason, WaitReason::window);
    EXPECT_EQ(view(id).attempts, 0);
    server.is_refusing = false;
    world.run_until(at(34h + 1s));
    EXPECT_EQ(server.received.size(), 1u);
}

TEST_F(HoursTest, retries_that_come_due_outside_wait_and_are_not_used_up) {
    world.run_until(at(17h + 50min));
    server.reply = [](const std::string& command) -> std::optional<std::string> {
        return command.starts_with("RCPT") ? std::optional("450 4.2.1 later") : std::nullopt;
    };
    const auto id = send();
    world.run_until(at(18h));
    const auto attempts = view(id).attempts;
    EXPECT_EQ(attempts, 3) << "at once, after 1 and after 5 more minutes";
    world.run_until(at(34h - 1s));
    EXPECT_EQ(view(id).attempts, attempts);
    EXPECT_EQ(view(id).reason, WaitReason::window);
    world.run_until(at(34h + 1s));
    EXPECT_EQ(view(id).attempts, attempts + 1);
}

TEST_F(HoursTest, mail_whose_lifetime_ends_outside_of_them_is_tried_at_their_beginning) {
    world.settings.routes[0].lifetime = 6h;
    send();
    world.run_until(at(10h - 1s));
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    EXPECT_TRUE(world.connector.tried.empty());
    world.run_until(at(10h + 1s));
    EXPECT_EQ(server.received.size(), 1u);
    server.is_refusing = true;
    world.run_until(at(24h));
    send();
    world.run_until(at(34h - 1s));
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    world.run_until(at(34h + 2min));
    EXPECT_EQ(world.count<events::Expired>(), 1u) << "it could not be reached then";
}

TEST_F(HoursTest, who_names_the_mail_opens_them_once_for_what_waits) {
    for (const bool by_id : {false, true}) {
        const auto sent_before = server.received.size();
        const auto first = send();
        send();
        world.run_for(1s);
        EXPECT_EQ(by_id ? world.desk().flush(first, {}) : world.flush("branch.example"),
                  by_id ? 1u : 2u);
        world.run_for(30s);
        EXPECT_EQ(server.received.size(), sent_before + 2);
        send();
        world.run_for(1h);
        EXPECT_EQ(server.received.size(), sent_before + 2) << "what comes later waits again";
        EXPECT_EQ(server.open, 0u);
        world.run_until(at(by_id ? 34h + 1min : 10h + 1min));
        EXPECT_EQ(server.received.size(), sent_before + 3);
        world.run_until(at(by_id ? 42h + 1min : 18h + 1min));
    }
}

TEST_F(HoursTest, an_order_ends_with_a_failed_probe_and_after_an_hour_at_the_latest) {
    world.settings.delivery.connections_per_destination_max = 1;
    server.is_refusing = true;
    send();
    world.run_for(1s);
    EXPECT_EQ(world.flush("branch.example"), 1u);
    world.run_for(2h);
    EXPECT_LE(world.connector.tried.size(), 5u) << "the line is paid by the minute";
    server.is_refusing = false;
    server.latency = 10s;  // each message takes more than a minute
    for (int i = 0; i < 200; ++i) send();
    EXPECT_GT(world.flush("branch.example"), 0u);
    world.run_for(DeliveryHours::order_max - 1s);
    const auto received = server.received.size();
    EXPECT_GT(received, 0u);
    EXPECT_LT(received, 200u);
    world.run_for(5min);
    const auto at_the_end = server.received.size();
    world.run_for(2h);
    EXPECT_EQ(server.received.size(), at_the_end);
}

TEST_F(HoursTest, nobody_is_told_of_a_delay_that_is_only_these_hours) {
    world.settings.delivery.connections_per_destination_max = 1;
    send();
    world.run_until(at(10h + 2h));
    EXPECT_TRUE(world.reports.empty()) << "4 hours had passed long before";
    server.latency = 20s;  // some minutes for each message
    world.run_until(at(19h));
    for (int i = 0; i < 300; ++i) send();
    world.run_until(at(34h + 59min));
    EXPECT_TRUE(world.reports.empty());
    world.run_until(at(35h + 5min));
    ASSERT_EQ(world.reports.size(), 1u) << "they have begun an hour ago, and some is still here";
    EXPECT_LT(server.received.size(), 300u);
}

TEST_F(HoursTest, when_they_begin_and_the_destination_is_down_the_sender_hears_at_once) {
    server.is_refusing = true;
    const auto id = send();
    world.run_until(at(10h - 1s));
    EXPECT_TRUE(world.reports.empty());
    world.run_until(at(10h + 2min));
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].original, id);
}

TEST_F(HoursTest, who_has_missed_them_once_is_told) {
    world.settings.routes[0].deliver_between = {{22 * 60, 22 * 60 + 10}};
    server.latency = 20s;
    world.settings.delivery.connections_per_destination_max = 1;
    for (int i = 0; i < 50; ++i) send();
    world.run_until(at(10h));
    EXPECT_TRUE(world.reports.empty());
    world.run_until(at(12h));
    EXPECT_LT(server.received.size(), 50u) << "the window was too short for all";
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(1 + world.reports[0].also.size() + world.reports[0].also_unlisted,
              50 - server.received.size());
}

TEST_F(HoursTest, a_reload_changes_them_for_mail_that_waits) {
    send();
    world.run_for(1h);
    auto settings = world.settings;
    settings.routes[0].deliver_between = {{13 * 60 + 30, 14 * 60}};
    world.manager().reload(std::make_shared<const conf::Settings>(settings));
    world.run_until(at(90min - 1s));
    EXPECT_TRUE(server.received.empty());
    world.run_until(at(90min + 1s));
    EXPECT_EQ(server.received.size(), 1u);
}

TEST_F(HoursTest, the_same_hosts_without_hours_are_another_destination) {
    world.settings.routes.push_back({.domain = "urgent.example", .hosts = {{"10.0.0.1", 25}}});
    send();
    send("bob@urgent.example");
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
    // By their names too: figures are kept by these.
    EXPECT_EQ(world.destinations("10.0.0.1:25").size(), 1u);
    EXPECT_EQ(world.destinations("10.0.0.1:25 at 22:00-06:00").size(), 1u);
}

// The preferred host has room for one, whose last reply takes until after the end.
TEST_F(HoursTest, a_connection_that_is_free_after_them_serves_nobody_who_waited_for_it) {
    world.settings.routes[0].hosts.push_back({"10.0.0.2", 25});
    world.settings.sites = {{.match = {"10.0.0.2"}, .connections_max = 5},
                            {.match = {"10.0.0.1"}, .connections_max = 1}};
    world.settings.delivery.final_dot_timeout = 1h;
    server.reply = [this](const std::string& command) -> std::optional<std::string> {
        if (command == ".") server.latency = 10min;
        return std::nullopt;
    };
    world.run_until(at(18h - 5min));
    send();
    world.run_for(1s);
    server.latency = 1ms;
    server.reply = nullptr;
    send();
    world.run_until(at(19h));
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.server("10.0.0.2").received.size(), 0u) << "it waits for the preferred host";
    world.run_until(at(34h + 1s));
    EXPECT_EQ(server.received.size(), 2u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST_F(HoursTest, a_notice_of_other_mail_says_nothing_of_what_only_waits_for_them) {
    world.serve("them.example").is_refusing = true;
    const auto late = send("bob@them.example");
    send();
    world.run_until(at(4h + 2min));
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].original, late);
    EXPECT_TRUE(world.reports[0].also.empty());
}

// ---- By themselves ----

class DeliveryHoursTest : public testing::Test {
protected:
    void look() {
        hours.look(now, [](Instant) { return Millis{0}; });
    }
    DeliveryHours hours{{{22 * 60, 22 * 60 + 10}}};
    const Instant midnight{1000 * 24h};
    Instant now = midnight + 21h + 55min;
};

TEST_F(DeliveryHoursTest, an_order_ends_when_they_begin) {
    look();
    hours.order(now);
    EXPECT_TRUE(hours.is_open());
    EXPECT_EQ(hours.changes_at(), midnight + 22h);
    now = midnight + 22h;
    look();
    EXPECT_TRUE(hours.is_open());
    EXPECT_FALSE(hours.is_ordered());
    now += 10min;
    look();
    EXPECT_FALSE(hours.is_open());
}

TEST_F(DeliveryHoursTest, an_order_lasts_so_long_at_most_and_they_have_to_be_looked_at_then) {
    now = midnight + 12h;
    look();
    hours.order(now);
    EXPECT_EQ(hours.changes_at(), now + DeliveryHours::order_max);
    now += DeliveryHours::order_max - 1ms;
    look();
    EXPECT_TRUE(hours.is_open());
    now += 1ms;
    look();
    EXPECT_FALSE(hours.is_open());
    EXPECT_EQ(hours.changes_at(), midnight + 22h);
}

TEST_F(DeliveryHoursTest, an_order_while_they_are_open_does_not_outlast_them) {
    now = midnight + 22h + 5min;
    look();
    hours.order(now);
    EXPECT_FALSE(hours.is_ordered());
    now += 5min;
    look();
    EXPECT_FALSE(hours.is_open());
}

}  // namespace
}  // namespace mta::outbound
