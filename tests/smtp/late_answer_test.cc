// Each question of a session, answered late: what happens meanwhile is the same at all of them.
#include <ostream>

#include <gtest/gtest.h>

#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using server_event::EndReason;
using test::ServerWorld;

const std::string mail = "MAIL FROM:<a@them.example>\r\n";
const std::string rcpt = "RCPT TO:<b@us.example>\r\n";

struct Question {
    const char* name;
    std::string before;  // answered at once
    std::string asks;    // what opens the question
    std::string reply;   // to that, how it begins
    // What follows is part of the message, not a command.
    bool is_followed_by_text = false;
    bool is_past_final_dot = false;
    std::size_t aborted = 0;  // messages, if the client leaves

    friend void PrintTo(const Question& question, std::ostream* out) { *out << question.name; }
};

class LateAnswer : public testing::TestWithParam<Question> {
protected:
    LateAnswer() {
        world_.rights.is_own = true;
        world_.connect();
        world_.send("EHLO client.example\r\n" + GetParam().before);
        world_.answers_at_once = false;
        world_.begins_at_once = GetParam().is_past_final_dot;
        world_.stores_at_once = false;
        EXPECT_EQ(world_.send(GetParam().asks), "") << "the question is open";
    }
    static ClientInfo own_client() {
        auto client = ServerWorld::stranger();
        client.rights.is_own = true;
        return client;
    }
    // Gives the answer; what the client gets for it.
    std::string answer() {
        if (world_.waiting) {
            world_.store();
        } else if (!world_.answer()) {
            world_.begin_held();
        }
        world_.pump();
        return world_.take_said();
    }

    ServerWorld world_{ServerWorld::default_options(), own_client()};
};

TEST_P(LateAnswer, may_take_any_time) {
    EXPECT_FALSE(world_.session.deadline());
    EXPECT_EQ(world_.advance(1000h), "");
    EXPECT_TRUE(answer().starts_with(GetParam().reply));
    ASSERT_TRUE(world_.session.deadline());
    EXPECT_GE(*world_.session.deadline(), world_.now + 60s) << "the client has its time from now";
    EXPECT_FALSE(world_.ended);
}

TEST_P(LateAnswer, comes_before_what_the_client_has_sent_meanwhile) {
    EXPECT_EQ(world_.send("NOOP\r\n"), "");
    EXPECT_TRUE(world_.session.wants_input()) << "a little is held";
    const auto long_command = "NOOP " + std::string(493, 'x') + "\r\n";
    for (int i = 0; i < 150; ++i) EXPECT_EQ(world_.send(long_command), "");
    EXPECT_FALSE(world_.session.wants_input()) << "much is not";
    const auto said = answer();
    EXPECT_TRUE(said.starts_with(GetParam().reply)) << said.substr(0, 200);
    EXPECT_EQ(said.contains("\r\n250 2.0.0 here\r\n"), !GetParam().is_followed_by_text);
    EXPECT_TRUE(world_.session.wants_input());
}

TEST_P(LateAnswer, is_ignored_when_the_client_has_left) {
    world_.session.on_closed(world_.now, "reset by peer");
    world_.pump();
    ASSERT_TRUE(world_.ended);
    EXPECT_EQ(world_.ended->reason, EndReason::lost);
    EXPECT_EQ(world_.aborted.size(), GetParam().aborted);
    EXPECT_EQ(answer(), "");
    EXPECT_FALSE(world_.session.poll_event());
}

TEST_P(LateAnswer, reaches_a_client_that_only_reads) {
    world_.session.on_input_end(world_.now);
    world_.pump();
    EXPECT_FALSE(world_.ended);
    EXPECT_TRUE(answer().starts_with(GetParam().reply));
    ASSERT_TRUE(world_.ended);
    EXPECT_EQ(world_.ended->reason, EndReason::lost);
}

TEST_P(LateAnswer, is_waited_for_in_a_shutdown_only_behind_the_final_dot) {
    world_.session.shutdown(world_.now);
    world_.pump();
    EXPECT_EQ(world_.ended.has_value(), !GetParam().is_past_final_dot);
    const auto said = world_.take_said() + answer();
    EXPECT_EQ(said.starts_with(GetParam().reply), GetParam().is_past_final_dot) << said;
    EXPECT_TRUE(said.contains("421 4.3.2 ")) << said;
    EXPECT_EQ(world_.ended->reason, EndReason::shut_down);
}

INSTANTIATE_TEST_SUITE_P(
    ServerSession, LateAnswer,
    testing::Values(Question{.name = "mail", .before = {}, .asks = mail, .reply = "250 2.1.0 "},
                    Question{.name = "rcpt", .before = mail, .asks = rcpt, .reply = "250 2.1.5 "},
                    Question{.name = "data",
                             .before = mail + rcpt,
                             .asks = "DATA\r\n",
                             .reply = "354 ",
                             .is_followed_by_text = true,
                             .aborted = 1},
                    Question{.name = "first_bdat",
                             .before = mail + rcpt,
                             .asks = "BDAT 6\r\nS: x\r\n",
                             .reply = "250 2.0.0 6 bytes received",
                             .aborted = 1},
                    Question{.name = "end_of_data",
                             .before = mail + rcpt + "DATA\r\n",
                             .asks = "S: x\r\n\r\nx\r\n.\r\n",
                             .reply = "250 2.0.0 queued as ",
                             .is_past_final_dot = true},
                    Question{.name = "end_of_bdat",
                             .before = mail + rcpt,
                             .asks = "BDAT 6 LAST\r\nS: x\r\n",
                             .reply = "250 2.0.0 queued as ",
                             .is_past_final_dot = true}),
    [](const auto& question) { return std::string(question.param.name); });

}  // namespace
}  // namespace mta::smtp
