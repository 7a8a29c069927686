// Who hears of delays, when, and of how many messages in one notice.
#include "mta/outbound/lifecycle/delay_notices.h"

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Mail;
using world::World;

std::size_t told_in(const World::Reported& report) {
    return 1 + report.also.size() + report.also_unlisted;
}

TEST(DelayNotices, a_hundred_messages_in_an_outage_bring_one_notice) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    for (int i = 0; i < 100; ++i) {
        world.send({.to = {"u" + std::to_string(i) + "@them.example"}});
        world.run_for(2min);
    }
    world.run_until(world.start + 4h - 1s);
    EXPECT_TRUE(world.reports.empty());
    world.run_until(world.start + 4h + 2min);
    ASSERT_EQ(world.reports.size(), 1u);
    const auto& report = world.reports[0];
    EXPECT_EQ(report.kind, ReportKind::delay);
    EXPECT_EQ(report.original, 1u) << "about the oldest";
    EXPECT_EQ(report.give_up_at, world.start + 5 * 24h);
    EXPECT_NE(report.head, "");
    ASSERT_EQ(report.also.size(), DelayNotices::listed_max - 1);
    EXPECT_EQ(report.also.front(), 2u);
    EXPECT_EQ(report.also.back(), DelayNotices::listed_max);
    EXPECT_EQ(told_in(report), 100u) << "also of those that came a moment ago: it is down";
    EXPECT_EQ(world.server("192.0.2.9").received.size(), 1u);
    world.run_until(world.start + 24h - 1s);
    EXPECT_EQ(world.reports.size(), 1u) << "he knows";
    world.run_until(world.start + 24h + 2min);
    ASSERT_EQ(world.reports.size(), 2u);
    EXPECT_EQ(world.reports[1].original, 1u);
}

TEST(DelayNotices, what_comes_after_a_notice_is_in_the_next_one_and_nothing_twice) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    std::map<queue::MessageId, int> told;
    for (int i = 0; i < 20 * 6; ++i) {
        world.send();
        world.run_for(10min);
    }
    ASSERT_LE(world.reports.size(), 5u) << "one in four hours, for twenty";
    ASSERT_GE(world.reports.size(), 4u);
    for (const auto& report : world.reports) {
        ++told[report.original];
        for (const auto id : report.also) ++told[id];
        EXPECT_EQ(report.also_unlisted, 0u);
    }
    for (const auto& [id, times] : told) EXPECT_EQ(times, 1) << id;
    EXPECT_GE(told.size(), 16u * 6);
}

TEST(DelayNotices, each_sender_has_his_own) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    for (const auto* from : {"ann@office.example", "ben@office.example", ""}) {
        world.send({.from = from, .to = {"a@them.example"}});
        world.send({.from = from, .to = {"b@them.example"}});
    }
    world.run_for(4h + 2min);
    ASSERT_EQ(world.reports.size(), 2u) << "and the null sender none";
    EXPECT_EQ(world.reports[0].original, 1u);
    EXPECT_EQ(world.reports[0].also, std::vector<queue::MessageId>{2});
    EXPECT_EQ(world.reports[1].original, 3u);
    EXPECT_EQ(world.reports[1].also, std::vector<queue::MessageId>{4});
}

TEST(DelayNotices, only_those_are_told_of_who_want_it_and_are_late_too) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").reply = always("RCPT", "450 4.2.1 later");
    world.send({.to = {"a@them.example", "b@them.example"}});
    world.send({.to = {"quiet@them.example"}, .notify = queue::notify_failure});
    world.send({.to = {"never@them.example"}, .notify = queue::notify_never});
    world.send({.to = {"asked@them.example"}, .notify = queue::notify_delay});
    world.run_for(1h);
    const auto half_as_old = world.send();
    world.run_for(2h + 30min);
    const auto young = world.send();
    world.run_for(1h);
    ASSERT_EQ(world.reports.size(), 1u);
    const auto& report = world.reports[0];
    EXPECT_EQ(report.original, 1u);
    EXPECT_EQ(report.outcomes.size(), 2u);
    EXPECT_EQ(report.also, (std::vector<queue::MessageId>{4, half_as_old}));
    EXPECT_EQ(world.store.kept.at(half_as_old).states[0].delay_notices, 1);
    EXPECT_EQ(world.store.kept.at(young).states[0].delay_notices, 0);
    EXPECT_EQ(world.store.kept.at(2).states[0].delay_notices, 0);
}

TEST(DelayNotices, comes_to_a_sender_once_in_four_hours_though_his_mail_is_late_at_all_times) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").reply = always("RCPT", "450 4.2.1 later");
    for (int i = 0; i < 20 * 6; ++i) {
        world.send();
        world.run_for(10min);
    }
    ASSERT_GE(world.reports.size(), 4u);
    for (std::size_t i = 1; i < world.reports.size(); ++i)
        EXPECT_GE(world.reports[i].when - world.reports[i - 1].when, 4h) << i;
}

TEST(DelayNotices, says_when_the_first_of_several_recipients_is_given_up) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    world.server("192.0.2.2").is_refusing = true;
    world.settings.routes = {
        {.domain = "patient.example", .hosts = {{"192.0.2.2", 25}}, .lifetime = 10 * 24h}};
    world.send({.to = {"a@them.example", "b@patient.example"}});
    world.run_for(4h + 2min);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes.size(), 2u);
    EXPECT_EQ(world.reports[0].give_up_at, world.start + 5 * 24h);
}

TEST(DelayNotices, the_report_enters_the_store_with_the_first_state_and_the_others_follow) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    for (int i = 0; i < 3; ++i) world.send();
    world.run_for(4h - 1s);
    world.store.calls.clear();
    world.run_for(2min);
    ASSERT_GE(world.store.calls.size(), 3u);
    EXPECT_EQ(world.store.calls[0], "update 1 +4");
    EXPECT_EQ(world.store.calls[1], "update 2");
    EXPECT_EQ(world.store.calls[2], "update 3");
    for (const queue::MessageId id : {1u, 2u, 3u})
        EXPECT_EQ(world.store.kept.at(id).states[0].delay_notices, 1) << id;
    EXPECT_EQ(world.count<events::ReportQueued>("4 about 1"), 1u);
    EXPECT_EQ(world.count<events::ReportQueued>("4 about 3"), 1u)
        << "the log of each message says so";
}

TEST(DelayNotices, who_was_told_before_a_restart_is_not_told_again) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    for (int i = 0; i < 60; ++i) world.send();
    world.run_for(4h + 2min);
    ASSERT_EQ(world.reports.size(), 1u);
    const auto kept = world.store.kept;
    world.restart();
    for (const auto& [id, message] : kept)
        world.manager().load(queue::to_queued({message.message, message.states}));
    world.run_for(10min);
    ASSERT_EQ(world.reports.size(), 2u) << "those that were only counted are not on disk";
    EXPECT_EQ(told_in(world.reports[1]), 10u);
    EXPECT_EQ(world.reports[1].original, 51u);
}

TEST(DelayNotices, what_was_delivered_or_is_unreadable_meanwhile_is_left_out) {
    World world;
    world.serve("office.example", "192.0.2.9");
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.settings.delivery.memory_bytes_max = 0;  // every message is read back
    for (int i = 0; i < 5; ++i) world.send();
    world.run_for(4h + 500ms);
    world.store.kept.erase(1);
    world.store.kept.erase(3);
    EXPECT_EQ(world.desk().cancel(4, {}), 1u);
    world.run_for(2min);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].original, 2u);
    EXPECT_EQ(world.reports[0].also, std::vector<queue::MessageId>{5});
    EXPECT_EQ(world.count<events::Unreadable>(), 2u);
    EXPECT_EQ(world.manager().check(), "");
}

TEST(DelayNotices, a_notice_that_came_to_nothing_silences_nobody) {
    // The one who brings it is gone before the walk, and while it is being read.
    for (const auto gone_at : {Millis(4h + 500ms), Millis(4h + 60s)}) {
        World world;
        world.settings.delivery.memory_bytes_max = 0;
        world.serve("office.example", "192.0.2.9");
        world.serve("them.example").reply = always("RCPT", "450 4.2.1 later");
        world.send();
        world.run_for(150min);
        const auto younger = world.send();
        world.run_until(world.start + gone_at);
        ASSERT_EQ(world.desk().cancel(1, {}), 1u);
        ASSERT_TRUE(world.reports.empty());
        world.run_until(world.start + 150min + 4h - 1s);
        EXPECT_TRUE(world.reports.empty());
        world.run_for(2min);
        ASSERT_EQ(world.reports.size(), 1u);
        EXPECT_EQ(world.reports[0].original, younger);
    }
}

TEST(DelayNotices, a_large_message_is_told_of_with_its_header) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    Mail mail{.is_large = true};
    mail.body = "Subject: large\r\n\r\n" + std::string(200'000, 'x') + "\r\n";
    world.send(mail);
    world.run_for(4h + 2min);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].head.size(), report_head_bytes);
}

TEST(DelayNotices, a_notice_has_the_added_header_in_front_of_the_body) {
    World world;
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    Mail mail{.added_header = "X-Added: yes\r\n"};
    world.send(mail);
    world.run_for(4h + 2min);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].head, mail.added_header + mail.body);
}

TEST(DelayNotices, a_long_queue_is_walked_through_in_slices) {
    World world;
    world.settings.retry.delay_notices = {1min};
    world.serve("office.example", "192.0.2.9");
    world.serve("them.example").is_refusing = true;
    for (int i = 0; i < 45'000; ++i) world.send({.from = i % 2 == 0 ? "a@office.example" : ""});
    world.run_for(5min);
    ASSERT_GE(world.reports.size(), 1u);
    EXPECT_EQ(told_in(world.reports[0]), 22'500u);
}

TEST(DelayNotices, none_are_sent_when_the_configuration_has_none) {
    World world;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").is_refusing = true;
    world.send();
    world.run_for(4 * 24h);
    EXPECT_TRUE(world.reports.empty());
}

}  // namespace
}  // namespace mta::outbound
