// Who is told what, and in which order it reaches the store.
#include "mta/outbound/lifecycle/ledger.h"

#include <gtest/gtest.h>

#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::Mail;
using world::World;

TEST(Ledger, a_report_enters_the_store_in_the_step_that_ends_the_original) {
    World world;
    world.serve("them.example").reply = always("RCPT", "550 5.1.1 no such user");
    world.serve("office.example", "192.0.2.9");
    world.send();
    world.run_for(1s);
    ASSERT_EQ(world.store.calls.size(), 2u);
    EXPECT_EQ(world.store.calls[0], "finish 1 +2");
    EXPECT_EQ(world.store.calls[1], "finish 2");
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].kind, ReportKind::failure);
    EXPECT_EQ(world.reports[0].head, "Subject: hello\r\n\r\nhello\r\n");
    EXPECT_EQ(world.reports[0].outcomes[0].error.text, "5.1.1 no such user");
    EXPECT_EQ(world.server("192.0.2.9").received[0].sender, "MAIL FROM:<>");
}

TEST(Ledger, all_recipients_of_one_fate_share_a_report) {
    World world;
    world.serve("them.example").reply = always("RCPT TO:<gone", "550 5.1.1 no");
    world.send({.to = {"gone1@them.example", "bob@them.example", "gone2@them.example"}});
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    ASSERT_EQ(world.reports[0].outcomes.size(), 2u);
    EXPECT_EQ(world.reports[0].outcomes[1].recipient, 2u);
}

TEST(Ledger, notify_decides_who_hears_of_what) {
    struct Row {
        std::uint8_t notify;
        std::string from;
        bool hears_of_failure;
    };
    for (const auto& row : std::vector<Row>{
             {queue::notify_unspecified, "ann@office.example", true},
             {queue::notify_failure, "ann@office.example", true},
             {queue::notify_never, "ann@office.example", false},
             {queue::notify_success, "ann@office.example", false},
             {queue::notify_delay, "ann@office.example", false},
             {queue::notify_success | queue::notify_failure, "ann@office.example", true},
             {queue::notify_unspecified, "", false},
             {queue::notify_failure, "", false}}) {
        World world;
        world.serve("office.example", "192.0.2.9");
        world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
        const auto id = world.send({.from = row.from, .notify = row.notify});
        world.run_for(1s);
        EXPECT_EQ(world.reports.size(), row.hears_of_failure ? 1u : 0u) << int{row.notify};
        EXPECT_EQ(world.count<events::ReportDropped>(), row.hears_of_failure ? 0u : 1u);
        EXPECT_FALSE(world.store.kept.contains(id)) << int{row.notify};
    }
}

TEST(Ledger, a_double_bounce_is_dropped_with_an_event) {
    World world;
    world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
    world.serve("office.example", "192.0.2.9").reply = always("RCPT", "550 5.1.1 nor here");
    world.send();
    world.run_for(1s);
    EXPECT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.count<events::ReportDropped>("ann@office.example null sender"), 1u);
    EXPECT_TRUE(world.store.kept.empty());
}

TEST(Ledger, success_is_reported_only_where_the_next_hop_does_not_answer_itself) {
    for (const bool has_dsn : {false, true}) {
        World world;
        auto& server = world.serve("them.example");
        if (has_dsn) server.extensions.push_back("DSN");
        world.send({.notify = queue::notify_success});
        world.send();
        world.run_for(1s);
        EXPECT_EQ(world.reports.size(), has_dsn ? 0u : 1u);
        if (has_dsn) continue;
        EXPECT_EQ(world.reports[0].kind, ReportKind::relayed);
        EXPECT_EQ(world.reports[0].outcomes[0].error.reply_code, 250);
        EXPECT_EQ(world.reports[0].outcomes[0].error.remote, "mx.them.example [192.0.2.1]:25");
        EXPECT_EQ(world.store.calls[0], "finish 1 +3");
    }
}

TEST(Ledger, the_head_of_a_large_body_is_read_first_and_the_failure_waits_for_it) {
    World world;
    world.serve("them.example").reply = always("RCPT TO:<gone", "550 5.1.1 no");
    Mail mail{.to = {"gone@them.example", "bob@them.example"}, .is_large = true};
    mail.body = "Subject: large\r\n\r\n" + std::string(200'000, 'x') + "\r\n";
    const auto id = world.send(mail);
    world.run_for(5s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].head.size(), report_head_bytes);
    EXPECT_TRUE(world.reports[0].head.starts_with("Subject: large"));
    // bob's delivery was put down at once, gone's end only with the report.
    EXPECT_EQ(world.store.calls.at(0), "update 1");
    EXPECT_EQ(world.store.calls.at(1), "finish 1 +" + std::to_string(id + 1));
}

TEST(Ledger, a_report_has_the_added_header_in_front_of_what_it_returns) {
    const std::string added = "X-Added: yes\r\n";
    for (const bool is_large : {false, true}) {
        World world;
        world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
        Mail mail{.is_large = is_large, .added_header = added};
        world.send(mail);
        world.run_for(5s);
        ASSERT_EQ(world.reports.size(), 1u);
        EXPECT_EQ(world.reports[0].head, added + mail.body);
    }
}

TEST(Ledger, an_unreadable_head_does_not_stop_the_report) {
    World world;
    world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
    world.store.body_read_error = true;
    world.send({.body = std::string(200'000, 'x') + "\r\n", .is_large = true});
    world.run_for(5s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].head, "");
    EXPECT_FALSE(world.store.kept.contains(1));
}

TEST(Ledger, a_message_that_was_in_doubt_says_so_in_its_report) {
    World world;
    world.settings.retry.lifetime = 30min;
    world.settings.retry.delay_notices.clear();
    world.serve("them.example").reply = always(".", "close");
    world.send();
    world.run_for(31min);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_TRUE(world.reports[0].outcomes[0].is_in_doubt);
    EXPECT_TRUE(world.reports[0].outcomes[0].has_expired);
}

// ---- Failures of one message ----

std::vector<std::string> addresses_in_unknown_domains(int count) {
    std::vector<std::string> addresses;
    for (int i = 0; i < count; ++i)
        addresses.push_back("bob@d" + std::to_string(i) + ".nowhere.example");
    return addresses;
}

TEST(Ledger, sixty_recipients_in_sixty_unknown_domains_are_one_report) {
    World world;
    world.send({.to = addresses_in_unknown_domains(60)});
    world.run_for(1s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes.size(), 60u);
    EXPECT_FALSE(world.store.kept.contains(1));
}

TEST(Ledger, a_thousand_recipients_refused_at_one_server_are_one_report) {
    World world;
    world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
    std::vector<std::string> to;
    for (int i = 0; i < 1000; ++i) to.push_back("b" + std::to_string(i) + "@them.example");
    world.send({.to = to});
    world.run_for(10s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes.size(), 1000u);
}

TEST(Ledger, a_failure_waits_a_minute_for_others_while_a_recipient_is_only_waiting) {
    World world;
    world.settings.retry.schedule = {10s, 1h};
    world.serve("them.example").reply = [](const std::string& said) {
        static const std::string later = "RCPT TO:<later";
        if (said.starts_with("RCPT TO:<gone")) return std::optional<std::string>("550 5.1.1 no");
        if (said.starts_with(later)) return std::optional<std::string>("450 later");
        return std::optional<std::string>();
    };
    world.send({.to = {"gone@them.example", "later@them.example", "x@nowhere.example"}});
    world.run_for(59s);
    EXPECT_TRUE(world.reports.empty());
    EXPECT_EQ(world.count<events::Failed>(), 2u);
    world.run_for(2s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes.size(), 2u);
}

TEST(Ledger, a_failure_waits_longer_while_others_are_under_way_but_not_for_ever) {
    World world;
    world.settings.delivery.connect_timeout = 1h;
    world.serve("slow.example").is_hanging = true;
    world.send({.to = {"bob@slow.example", "x@nowhere.example"}});
    world.run_for(9min);
    EXPECT_TRUE(world.reports.empty());
    world.run_for(62s);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes[0].recipient, 1u);
}

TEST(Ledger, a_failure_is_reported_at_once_when_nobody_else_is_left) {
    for (const bool is_delivered : {true, false}) {
        World world;
        world.serve("them.example").reply = always("RCPT", "450 later");
        const auto id = world.send({.to = {"bob@them.example", "x@nowhere.example"}});
        world.run_for(5s);
        EXPECT_TRUE(world.reports.empty());
        if (is_delivered) {
            world.server("192.0.2.1").reply = nullptr;
            world.flush();
        } else {
            world.desk().cancel(id, {});
        }
        world.run_for(1s);
        EXPECT_EQ(world.reports.size(), 1u);
        EXPECT_FALSE(world.store.kept.contains(id));
    }
}

TEST(Ledger, what_was_given_up_and_not_reported_is_reported_after_a_restart_and_not_tried_again) {
    for (const auto& answer : {"550 5.1.1 no", "450 4.2.0 later"}) {
        const bool is_permanent = answer[0] == '5';
        World world;
        world.settings.retry.lifetime = 4h;
        world.settings.retry.delay_notices.clear();
        world.serve("them.example").reply = always("RCPT", answer);
        world.settings.routes = {
            {.domain = "off.example", .hosts = {{"192.0.2.7", 25}}, .lifetime = 24h}};
        const auto id = world.send({.to = {"bob@them.example", "ann@off.example"}});
        for (int i = 0; i < 2000 && !world.has<events::Failed>() && !world.has<events::Expired>();
             ++i)
            world.run_for(10s);
        ASSERT_TRUE(is_permanent ? world.has<events::Failed>() : world.has<events::Expired>());
        EXPECT_TRUE(world.reports.empty()) << "ann waits for a server that is down";
        const auto kept = world.store.kept.at(id);
        EXPECT_EQ(kept.states[0].phase, queue::RecipientPhase::pending);
        EXPECT_TRUE(kept.states[0].last_error.is_permanent());
        const auto attempts = kept.states[0].attempts;
        const auto commands = world.server("192.0.2.1").commands.size();
        world.restart();
        world.manager().load(queue::to_queued({kept.message, kept.states}));
        world.run_for(2min);
        ASSERT_EQ(world.reports.size(), 1u) << answer;
        const auto& outcome = world.reports[0].outcomes.at(0);
        EXPECT_EQ(outcome.recipient, 0u);
        EXPECT_EQ(outcome.has_expired, !is_permanent);
        EXPECT_EQ(outcome.error.text, std::string(answer).substr(4));
        EXPECT_NE(outcome.last_attempt, Instant{});
        EXPECT_EQ(world.server("192.0.2.1").commands.size(), commands);
        EXPECT_NE(world.store.kept.at(id).states[0].phase, queue::RecipientPhase::pending);
        EXPECT_EQ(world.store.kept.at(id).states[0].attempts, attempts);
    }
}

TEST(Ledger, a_report_that_the_store_gives_no_message_for_is_made_later_without_an_attempt) {
    World world;
    world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
    world.serve("other.example", "192.0.2.7").reply = always("RCPT", "450 later");
    world.send({.to = {"bob@them.example", "ann@other.example"}});
    world.run_for(5s);
    world.store.read_error = {queue::StoreError::Kind::broken, "input/output error"};
    world.run_for(2min);
    EXPECT_TRUE(world.reports.empty());
    world.store.read_error.reset();
    world.run_for(1min);
    EXPECT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(std::ranges::count(world.server("192.0.2.1").commands, "RCPT TO:<bob@them.example>"),
              1);
}

TEST(Ledger, a_message_found_damaged_when_its_report_is_due_is_reported_with_what_is_known) {
    for (const bool is_other_open : {true, false}) {
        World world;
        world.settings.delivery.memory_bytes_max = 0;
        world.serve("them.example").reply = always("RCPT", "550 5.1.1 no");
        world.serve("other.example", "192.0.2.7").reply = always("RCPT", "450 later");
        const auto id = world.send({.to = {"bob@them.example", "ann@other.example"}});
        world.run_for(5s);
        world.store.read_error = {queue::StoreError::Kind::corrupt, "checksum"};
        if (!is_other_open) world.desk().cancel(id, RecipientNumbers{{1}});
        world.run_for(2min);
        ASSERT_EQ(world.reports.size(), 1u) << is_other_open;
        const auto& outcomes = world.reports[0].outcomes;
        ASSERT_EQ(outcomes.size(), is_other_open ? 2u : 1u);
        EXPECT_EQ(outcomes[0].error.status, (EnhancedStatus{5, 1, 1})) << "why is still known";
        EXPECT_FALSE(world.store.kept.contains(id));
        EXPECT_EQ(world.manager().check(), "");
    }
}

// ---- GatheredFailures ----

RecipientOutcome failure_of(std::size_t recipient, std::string text = "no") {
    return {.recipient = recipient, .error = {.status = {5, 1, 1}, .text = std::move(text)}};
}

TEST(GatheredFailures, are_due_a_minute_after_the_first_or_when_they_need_too_much_room) {
    const auto now = from_unix_ms(1'000'000'000);
    GatheredFailures gathered;
    gathered.add(7, failure_of(0), now);
    gathered.add(7, failure_of(1), now + 50s);
    gathered.add(8, failure_of(0), now + 50s);
    EXPECT_EQ(gathered.next_due(), now + 1min);
    EXPECT_EQ(gathered.due(now + 59s), std::nullopt);
    EXPECT_EQ(gathered.due(now + 60s), queue::MessageId{7});
    EXPECT_EQ(gathered.take(7).size(), 2u);
    EXPECT_EQ(gathered.count(7), 0u);
    gathered.add(9, failure_of(0, std::string(GatheredFailures::bytes_max, 'x')), now + 55s);
    EXPECT_EQ(gathered.due(now + 55s), queue::MessageId{8});
    EXPECT_FALSE(gathered.put_off(8, now + 55s));
    gathered.forget(9);
    EXPECT_EQ(gathered.due(now + 55s), std::nullopt);
}

TEST(GatheredFailures, are_put_off_by_a_minute_up_to_ten_minutes) {
    const auto now = from_unix_ms(1'000'000'000);
    GatheredFailures gathered;
    gathered.add(7, failure_of(0), now);
    int put_off = 0;
    while (gathered.put_off(7, *gathered.next_due())) ++put_off;
    EXPECT_EQ(put_off, 9);
    EXPECT_EQ(gathered.next_due(), now + 10min);
}

}  // namespace
}  // namespace mta::outbound
