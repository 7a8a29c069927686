// Nothing is returned that was not tried: after a start, an import or a leap of the clock what has
// outlived its lifetime gets one more attempt.
#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "tests/outbound/world.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using world::always;
using world::World;

class LastAttempt : public testing::Test {
protected:
    LastAttempt() {
        world.settings.retry.delay_notices.clear();
        world.serve("office.example", "192.0.2.9");
    }
    // Queued six days ago by a relay that was off since soon afterwards.
    queue::MessageId load_old(const std::string& to = "bob@them.example",
                              const std::string& from = "ann@office.example",
                              queue::Requests requests = {}) {
        auto message = std::make_shared<queue::Message>(
            *world.message({.from = from, .to = {to}, .requests = requests}));
        message->arrival = world.agenda.now() - 6 * 24h;
        queue::RecipientState state;
        state.attempts = 1;
        state.last_attempt = message->arrival + 1s;
        state.next_due = message->arrival + 1min;
        state.last_error = {.status = {4, 2, 1}, .reply_code = 450, .text = "later"};
        world.store.add(message);
        world.manager().load(queue::to_queued({message, {state}}));
        return message->id;
    }
    void break_dns() {
        world.resolver.mx["them.example"] =
            world::FakeResolver::error("SERVFAIL", dns::LookupError::Kind::server_failure);
    }

    World world;
};

TEST_F(LastAttempt, of_mailboxes_that_break_the_session_together_is_soon_whatever_the_schedule) {
    auto& server = world.serve("them.example");
    server.extensions = {"PIPELINING"};
    server.reply = always("MAIL", "hang");
    auto message = std::make_shared<queue::Message>(
        *world.message({.to = {"a@them.example", "b@them.example"}}));
    message->arrival = world.agenda.now() - 6 * 24h;
    world.store.add(message);
    // So many attempts that the schedule has come to its longest interval.
    world.manager().load(
        queue::to_queued({message, std::vector<queue::RecipientState>(2, {.attempts = 20})}));
    world.run_for(20min);
    EXPECT_EQ(world.events.count<events::Expired>("a@them.example"), 1u);
    EXPECT_EQ(world.events.count<events::Expired>("b@them.example"), 1u);
}

TEST_F(LastAttempt, after_six_days_off_old_mail_is_delivered) {
    auto& server = world.serve("them.example");
    const auto id = load_old();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_FALSE(world.store.kept.contains(id));
    EXPECT_TRUE(world.reports.empty());
}

// Several RCPTs were under way when the server said 421: which of them it meant is not known yet.
TEST_F(LastAttempt, a_mailbox_that_breaks_the_session_does_not_return_the_mail_of_those_beside_it) {
    for (const bool is_pipelining : {false, true}) {
        for (const std::string answer : {"close", "421 4.3.2 no"}) {
            SCOPED_TRACE(answer + (is_pipelining ? " with pipelining" : ""));
            World fresh;
            fresh.settings.retry.delay_notices.clear();
            fresh.serve("office.example", "192.0.2.9");
            auto& server = fresh.serve("them.example");
            server.extensions.clear();
            if (is_pipelining) server.extensions = {"PIPELINING"};
            server.reply = always("RCPT TO:<ceo@them.example>", answer);
            auto message = std::make_shared<queue::Message>(
                *fresh.message({.to = {"a@them.example", "ceo@them.example", "b@them.example"}}));
            message->arrival = fresh.agenda.now() - 6 * 24h;
            fresh.store.add(message);
            fresh.manager().load(queue::to_queued({message, {}}));
            fresh.run_for(5min);
            EXPECT_EQ(fresh.count<events::Delivered>("a@them.example"), 1u);
            EXPECT_EQ(fresh.count<events::Delivered>("b@them.example"), 1u);
            EXPECT_EQ(fresh.count<events::Expired>("ceo@them.example"), 1u);
            EXPECT_EQ(fresh.count<events::Expired>(), 1u);
        }
    }
}

TEST_F(LastAttempt, after_six_days_off_old_mail_expires_with_the_failure_of_one_attempt) {
    struct Row {
        const char* name;
        std::function<void()> arrange;
        Millis within;  // the patience with a host, and a probe
    };
    for (const auto& row : std::vector<Row>{
             {"refused connection", [&] { world.serve("them.example").is_refusing = true; }, 2min},
             {"silence", [&] { world.serve("them.example").is_hanging = true; }, 4min},
             {"a silent greeting",
              [&] { world.serve("them.example").reply = always("CONNECT", "hang"); }, 8min},
             {"put off",
              [&] { world.serve("them.example").reply = always("RCPT", "450 4.2.1 later"); }, 1s},
             {"hung up on", [&] { world.serve("them.example").reply = always("MAIL", "close"); },
              2min},
             {"one too many",
              [&] { world.serve("them.example").reply = always("CONNECT", "421 too many"); }, 2min},
             {"lost at the dot",
              [&] { world.serve("them.example").reply = always(".", "take and close"); }, 1s},
             {"no DNS", [&] { break_dns(); }, 2min}}) {
        SCOPED_TRACE(row.name);
        auto& server = world.serve("them.example");
        server.is_refusing = server.is_hanging = false;
        server.reply = nullptr;
        row.arrange();
        const auto expired = world.count<events::Expired>();
        const auto tried = world.connector.tried.size() + world.resolver.asked.size();
        const auto id = load_old();
        world.run_for(1ms);
        EXPECT_EQ(world.count<events::Expired>(), expired) << "it was not tried yet";
        world.run_for(row.within);
        EXPECT_GT(world.connector.tried.size() + world.resolver.asked.size(), tried);
        EXPECT_EQ(world.count<events::Expired>(), expired + 1);
        EXPECT_FALSE(world.store.kept.contains(id));
        world.restart();
    }
}

TEST_F(LastAttempt, all_that_waits_for_one_destination_expires_with_one_attempt_there) {
    world.serve("them.example").is_refusing = true;
    for (int i = 0; i < 300; ++i) load_old();
    world.run_for(3min);
    EXPECT_EQ(world.count<events::Expired>(), 300u);
    EXPECT_LE(world.connector.tried.size(), 10u) << "no storm";
}

TEST_F(LastAttempt, what_could_not_be_tried_for_its_limits_waits_for_its_turn) {
    world.settings.sites = {{.match = {"*"}, .message_rate = Rate{1, 3600s}}};
    auto& server = world.serve("them.example");
    for (int i = 0; i < 5; ++i) load_old();
    world.run_for(3h + 1min);
    EXPECT_EQ(server.received.size(), 4u);
    world.run_for(1h);
    EXPECT_EQ(server.received.size(), 5u);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
}

TEST_F(LastAttempt, what_a_former_process_found_down_is_probed_before_its_mail_expires) {
    auto& server = world.serve("them.example");
    server.is_refusing = true;
    world.send();
    world.run_for(1h);
    const auto hints = world.manager().hints();
    ASSERT_FALSE(hints.empty());
    world.restart();
    world.agenda.leap(6 * 24h);
    server.is_refusing = false;
    world.manager().restore(hints);
    load_old();
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
}

TEST_F(LastAttempt, a_clock_that_leaps_ten_days_ahead_returns_nothing_that_can_be_delivered) {
    auto& good = world.serve("them.example");
    auto& bad = world.serve("others.example", "192.0.2.2");
    good.reply = bad.reply = always("RCPT", "450 4.2.1 later");
    world.send();
    world.send({.to = {"eve@others.example"}});
    world.serve("dead.example", "192.0.2.3").is_refusing = true;
    world.send({.to = {"dan@dead.example"}});
    world.run_for(1h);
    good.reply = nullptr;
    world.server("192.0.2.3").is_refusing = false;
    world.agenda.leap(10 * 24h);
    world.run_for(2min);
    EXPECT_EQ(good.received.size(), 1u);
    EXPECT_EQ(world.server("192.0.2.3").received.size(), 1u);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
    EXPECT_EQ(world.count<events::Expired>("eve@others.example"), 1u)
        << "tried once more, and put off";
}

// A connection that is cut because its time has leapt past was no attempt, whatever the host had
// been asked.
TEST_F(LastAttempt, a_deadline_that_passes_with_the_leap_is_no_attempt) {
    for (const auto* stage : {"CONNECT", "MAIL", "."}) {
        SCOPED_TRACE(stage);
        auto& server = world.serve("them.example");
        server.received.clear();
        server.reply = always(stage, "hang");
        world.send();
        world.send();
        world.run_for(10s);
        ASSERT_EQ(server.open, 2u);
        server.reply = nullptr;
        world.agenda.leap(10 * 24h);
        world.run_for(10min);
        EXPECT_EQ(server.received.size(), 2u);
        EXPECT_EQ(world.count<events::Expired>(), 0u);
        world.restart();
    }
}

TEST_F(LastAttempt, mail_to_be_given_back_by_a_time_is_given_back_then) {
    world.serve("them.example");
    load_old("bob@them.example", "ann@office.example",
             {.deliver_by = {ByMode::give_back, false, world.agenda.now() - 5 * 24h}});
    world.run_for(1s);
    EXPECT_EQ(world.count<events::Expired>(), 1u);
    ASSERT_EQ(world.reports.size(), 1u);
    EXPECT_EQ(world.reports[0].outcomes[0].attempts, 1u) << "and no more is claimed";
}

TEST_F(LastAttempt, mail_whose_first_look_up_outlasts_its_lifetime_is_tried) {
    world.settings.retry.lifetime = 10min;
    auto& server = world.serve("them.example");
    world.resolver.delay = 1h;
    world.send();
    world.run_for(2h + 1min);
    EXPECT_EQ(server.received.size(), 1u);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
}

TEST_F(LastAttempt, held_mail_waits_for_its_release_and_is_tried_then) {
    auto& server = world.serve("them.example");
    const auto id = load_old();
    EXPECT_EQ(world.desk().hold(id, {}), 1u);
    world.run_for(30 * 24h);
    EXPECT_EQ(world.count<events::Expired>(), 0u);
    EXPECT_EQ(world.manager().check(), "");
    EXPECT_EQ(world.desk().release(id, {}), 1u);
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST_F(LastAttempt, a_retry_from_when_the_clock_was_two_days_ahead_is_made_now) {
    auto& server = world.serve("them.example");
    const auto message = world.message();
    queue::RecipientState state;
    state.attempts = 3;
    state.next_due = world.agenda.now() + 2 * 24h;
    world.store.add(message);
    world.manager().load(queue::to_queued({message, {state}}));
    world.run_for(1s);
    EXPECT_EQ(server.received.size(), 1u);
}

TEST_F(LastAttempt, thirty_recipients_that_are_greylisted_come_back_in_one_transaction) {
    auto& server = world.serve("them.example");
    int seen = 0;
    server.reply = [&](const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("RCPT") && ++seen <= 30)
            return "450 4.7.1 greylisted, try again in 5 minutes";
        return std::nullopt;
    };
    world::Mail mail{.to = {}, .is_large = true};
    for (int i = 0; i < 30; ++i) mail.to.push_back("u" + std::to_string(i) + "@them.example");
    world.send(mail);
    world.run_for(1h);
    ASSERT_EQ(server.received.size(), 1u) << "its body travels once";
    EXPECT_EQ(server.received[0].recipients.size(), 30u);
}

// No mailbox can be blamed for it: none had been named yet.
TEST_F(LastAttempt, recipients_whose_host_hangs_up_at_mail_come_back_in_one_transaction_too) {
    auto& server = world.serve("them.example");
    server.extensions = {"8BITMIME"};
    int mails = 0;
    server.reply = [&](const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("MAIL") && ++mails <= 2) return "close";
        return std::nullopt;
    };
    world::Mail mail{.to = {}};
    for (int i = 0; i < 30; ++i) mail.to.push_back("u" + std::to_string(i) + "@them.example");
    world.send(mail);
    world.run_for(1h);
    ASSERT_EQ(server.received.size(), 1u);
    EXPECT_EQ(server.received[0].recipients.size(), 30u);
}

}  // namespace
}  // namespace mta::outbound
