// Who is told what, and in which order it reaches the store.
#include "mta/outbound/ledger.h"

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
        EXPECT_EQ(world.count("report dropped"), row.hears_of_failure ? 0u : 1u);
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
    EXPECT_EQ(world.count("report dropped ann@office.example null sender"), 1u);
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

}  // namespace
}  // namespace mta::outbound
