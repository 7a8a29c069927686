// Questions at MAIL, RCPT and ETRN that are answered later than at once.
#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::ServerWorld;
using EndReason = server_event::EndReason;

class ServerDecisions : public testing::Test {
protected:
    // Greeted, with answers that wait.
    void greet(std::string_view hello = "EHLO client.example\r\n") {
        world_.connect();
        world_.send(hello);
        world_.answers_at_once = false;
    }
    // Gives one answer; what the client gets for it.
    std::string answer() {
        EXPECT_TRUE(world_.answer());
        world_.pump();
        return world_.take_said();
    }

    ServerWorld world_;
};

TEST_F(ServerDecisions, keep_the_replies_in_the_order_of_the_commands) {
    greet();
    EXPECT_EQ(world_.send("MAIL FROM:<a@them.example>\r\nRCPT TO:<b@us.example>\r\n"
                          "RCPT TO:<c@elsewhere.example>\r\nRCPT TO:<d@us.example>\r\nDATA\r\n"),
              "");
    EXPECT_EQ(world_.asked, std::vector{"MAIL <a@them.example>"s}) << "one at a time";
    EXPECT_TRUE(answer().starts_with("250 2.1.0 "));
    EXPECT_EQ(world_.asked.back(), "RCPT <b@us.example>");
    EXPECT_TRUE(answer().starts_with("250 2.1.5 "));
    EXPECT_TRUE(answer().starts_with("550 5.7.1 "));
    const auto last = answer();
    EXPECT_TRUE(last.starts_with("250 2.1.5 ")) << last;
    EXPECT_NE(last.find("\r\n354 "), std::string::npos) << last;
    world_.send("Subject: x\r\n\r\nx\r\n.\r\n");
    ASSERT_EQ(world_.accepted.size(), 1u);
    const auto& recipients = world_.accepted[0].envelope.recipients;
    ASSERT_EQ(recipients.size(), 2u);
    EXPECT_EQ(recipients[0].address, "b@us.example");
    EXPECT_EQ(recipients[1].address, "d@us.example");
}

TEST_F(ServerDecisions, hold_what_the_client_sends_meanwhile_up_to_a_limit) {
    greet();
    world_.send("MAIL FROM:<a@them.example>\r\n");
    EXPECT_TRUE(world_.session.wants_input());
    EXPECT_EQ(world_.send("RCPT TO:<b@us.example>\r\n"), "");
    for (int i = 0; i < 5000; ++i) world_.send("NOOP and so on\r\n");
    EXPECT_FALSE(world_.session.wants_input());
    EXPECT_EQ(world_.asked.size(), 1u);
    EXPECT_TRUE(answer().starts_with("250 2.1.0 "));
    EXPECT_EQ(world_.asked.size(), 2u);
}

TEST_F(ServerDecisions, of_a_client_that_has_gone_are_ignored) {
    greet();
    world_.send("MAIL FROM:<a@them.example>\r\n");
    world_.session.on_closed(world_.now, "reset");
    world_.pump();
    ASSERT_TRUE(world_.ended);
    EXPECT_EQ(world_.ended->reason, EndReason::lost);
    EXPECT_EQ(answer(), "");
    EXPECT_FALSE(world_.session.poll_event());
}

TEST_F(ServerDecisions, are_said_to_a_client_that_sends_no_more) {
    greet();
    world_.send("MAIL FROM:<a@them.example>\r\nQUIT\r\n");
    world_.session.on_input_end(world_.now);
    world_.pump();
    EXPECT_FALSE(world_.ended);
    const auto said = answer();
    EXPECT_TRUE(said.starts_with("250 2.1.0 ")) << said;
    EXPECT_NE(said.find("\r\n221 "), std::string::npos) << said;
    EXPECT_EQ(world_.ended->reason, EndReason::quit);
}

TEST_F(ServerDecisions, take_no_time_from_the_client) {
    greet();
    const auto timeout = world_.options.command_timeout;
    world_.send("MAIL FROM:<a@them.example>\r\n");
    answer();
    world_.send("RCPT TO:<b@us.example>\r\n");
    EXPECT_FALSE(world_.session.deadline());
    EXPECT_EQ(world_.advance(timeout * silent_commands_max * 10), "") << "a very long decision";
    EXPECT_TRUE(answer().starts_with("250 2.1.5 "));
    EXPECT_EQ(world_.session.deadline(), world_.now + timeout) << "it did not count as silence";
    EXPECT_EQ(world_.advance(timeout - 1s), "");
    EXPECT_TRUE(world_.advance(1s).starts_with("421 4.4.2 "));
}

TEST_F(ServerDecisions, do_not_hold_up_a_shutdown) {
    greet();
    world_.send("MAIL FROM:<a@them.example>\r\n");
    world_.session.shutdown(world_.now);
    world_.pump();
    EXPECT_TRUE(world_.take_said().starts_with("421 4.3.2 "));
    EXPECT_EQ(world_.ended->reason, EndReason::shut_down);
    EXPECT_EQ(answer(), "");
}

TEST_F(ServerDecisions, make_a_session_no_idle_one) {
    greet();
    EXPECT_TRUE(world_.session.idle_since());
    world_.send("MAIL FROM:<a@them.example>\r\n");
    EXPECT_FALSE(world_.session.idle_since());
}

TEST_F(ServerDecisions, come_before_the_violation_of_what_follows_too_early) {
    greet("HELO client.example\r\n");
    EXPECT_EQ(world_.send("MAIL FROM:<a@them.example>\r\nRCPT TO:<b@us.example>\r\n"), "");
    const auto said = answer();
    EXPECT_TRUE(said.starts_with("250 2.1.0 ")) << said;
    EXPECT_NE(said.find("\r\n554 5.5.0 "), std::string::npos) << said;
    EXPECT_EQ(world_.ended->reason, EndReason::violation);
}

TEST_F(ServerDecisions, that_refuse_a_recipient_let_the_next_ones_be_asked_about) {
    greet();
    world_.send("MAIL FROM:<a@them.example>\r\n");
    answer();
    world_.send("RCPT TO:<c@elsewhere.example>\r\nDATA\r\n");
    const auto said = answer();
    EXPECT_TRUE(said.starts_with("550 5.7.1 ")) << said;
    EXPECT_NE(said.find("\r\n554 5.5.1 no recipient was accepted"), std::string::npos) << said;
    ASSERT_EQ(world_.refused.size(), 2u);
    EXPECT_EQ(world_.refused[0].command, "RCPT TO:<c@elsewhere.example>");
}

TEST_F(ServerDecisions, at_mail_defer_with_4xx_and_count_5xx_as_mistakes) {
    greet();
    world_.answers_at_once = true;
    world_.no_mail = ServerReply{452, {4, 3, 1}, "full"};
    for (std::uint32_t i = 0; i < limits::session_errors_max + 5; ++i)
        EXPECT_TRUE(world_.send("MAIL FROM:<a@them.example>\r\n").starts_with("452 4.3.1 "));
    world_.no_mail = ServerReply{550, {5, 7, 1}, "not you"};
    std::string said;
    for (std::uint32_t i = 0; i < limits::session_errors_max && !world_.ended; ++i)
        said = world_.send("MAIL FROM:<a@them.example>\r\n");
    EXPECT_NE(said.find("421 4.7.0 "), std::string::npos) << said;
}

// What a client may do is asked for anew each time, and counts at once.
TEST_F(ServerDecisions, bring_the_client_s_rights_as_they_are_by_now) {
    auto options = ServerWorld::default_options();
    options.extensions.mt_priority = true;
    options.extensions.future_release = true;
    options.future_release_max = 24h;
    ServerWorld world(options);
    world.connect();
    EXPECT_EQ(world.send("EHLO x.example\r\n").find("FUTURERELEASE"), std::string::npos);
    world.rights = {.is_own = true, .may_prioritise = true};
    world.send("MAIL FROM:<a@them.example> MT-PRIORITY=3\r\nRCPT TO:<b@us.example>\r\nDATA\r\n");
    EXPECT_TRUE(world.send("Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250 2.0.0 "))
        << "the priority was not lowered";
    ASSERT_EQ(world.accepted.size(), 1u);
    EXPECT_EQ(world.accepted[0].envelope.requests.priority, 3);
    EXPECT_NE(world.send("EHLO x.example\r\n").find("FUTURERELEASE"), std::string::npos);
}

}  // namespace
}  // namespace mta::smtp
