#include "mta/smtp/server/session_replies.h"

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using Kind = Answer::Kind;

class SessionRepliesTest : public testing::Test {
protected:
    // Gives the answer `times` times; whether the last one ended the session.
    bool give(const Answer& answer, std::uint32_t times = 1) {
        for (std::uint32_t i = 1; i < times; ++i) {
            EXPECT_FALSE(replies_.give("LINE", answer)) << i;
            (void)replies_.take();
        }
        return replies_.give("LINE", answer).has_value();
    }
    std::size_t refused() const { return events_.size(); }
    const server_event::Refused& last() const {
        return std::get<server_event::Refused>(events_.back());
    }

    ServerOptions options_{.hostname = "relay.us.example", .postmaster = {}};
    std::deque<ServerEvent> events_;
    SessionReplies replies_{options_, events_};
};

const ServerReply bad{550, {5, 1, 1}, "no"};
const ServerReply good{250, {2, 0, 0}, "yes"};

TEST_F(SessionRepliesTest, gather_until_they_are_taken) {
    EXPECT_FALSE(give(ok(good)));
    EXPECT_FALSE(give({}));
    EXPECT_FALSE(give(ok(good)));
    EXPECT_EQ(replies_.take(), "250 2.0.0 yes\r\n250 2.0.0 yes\r\n");
    EXPECT_EQ(replies_.take(), "");
    EXPECT_EQ(refused(), 0u);
}

TEST_F(SessionRepliesTest, report_each_refusal_with_what_was_refused) {
    EXPECT_FALSE(give(mistake(bad)));
    EXPECT_EQ(last().command, "LINE");
    EXPECT_EQ(last().reply, bad);
    EXPECT_FALSE(give(mistake(bad, "BDAT")));
    EXPECT_EQ(last().command, "BDAT");
    EXPECT_FALSE(last().is_repetition);
    EXPECT_FALSE(give({.kind = Kind::repetition, .reply = bad}));
    EXPECT_TRUE(last().is_repetition);
    EXPECT_FALSE(replies_.give(std::string(5000, 'x'), mistake(bad)));
    EXPECT_EQ(last().command, std::string(200, 'x'));
}

TEST_F(SessionRepliesTest, end_the_session_in_place_of_one_mistake_too_many) {
    EXPECT_TRUE(give(mistake(bad), limits::session_errors_max));
    EXPECT_EQ(replies_.take(),
              "421 4.7.0 relay.us.example closes the connection: too many errors\r\n");
    EXPECT_EQ(refused(), limits::session_errors_max) << "the last one is in the log, too";
}

TEST_F(SessionRepliesTest, end_the_session_in_place_of_one_idle_command_too_many) {
    EXPECT_FALSE(give(idle(good), limits::session_idle_commands_max));
    (void)replies_.take();
    EXPECT_TRUE(give(idle(good)));
    EXPECT_TRUE(replies_.take().starts_with("421 4.7.0 "));
    EXPECT_EQ(refused(), 0u);
}

TEST_F(SessionRepliesTest, end_the_session_after_one_deferral_too_many) {
    const Answer later{.kind = Kind::deferral, .reply = {452, {4, 3, 1}, "full"}};
    EXPECT_TRUE(give(later, limits::session_deferrals_max));
    const auto said = replies_.take();
    EXPECT_TRUE(said.starts_with("452 4.3.1 full\r\n421 4.3.2 ")) << said;
}

TEST_F(SessionRepliesTest, end_the_session_when_the_answer_says_so) {
    EXPECT_TRUE(give({.kind = Kind::refusal, .reply = bad, .end_cause = "enough"}));
    const auto said = replies_.take();
    EXPECT_TRUE(said.starts_with("550 5.1.1 no\r\n421 4.7.0 ")) << said;
    EXPECT_NE(said.find("enough"), std::string::npos);
}

TEST_F(SessionRepliesTest, do_not_count_refusals_that_are_no_mistakes) {
    EXPECT_FALSE(give({.kind = Kind::refusal, .reply = bad}, limits::session_errors_max * 3));
}

TEST_F(SessionRepliesTest, count_anew_after_a_message) {
    EXPECT_FALSE(give(mistake(bad), limits::session_errors_max - 1));
    EXPECT_FALSE(give(idle(good), limits::session_idle_commands_max));
    replies_.forgive();
    EXPECT_FALSE(give(mistake(bad), limits::session_errors_max - 1));
    EXPECT_FALSE(give(idle(good), limits::session_idle_commands_max));
    EXPECT_TRUE(give(mistake(bad)));
}

}  // namespace
}  // namespace mta::smtp
