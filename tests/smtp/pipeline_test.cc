#include "mta/smtp/client/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Pipeline, without_pipelining_one_command_waits_for_its_reply) {
    Pipeline pipeline;
    EXPECT_TRUE(pipeline.may_say_next());
    pipeline.say({Question::mail, 1}, "MAIL\r\n");
    EXPECT_FALSE(pipeline.may_say_next());
    EXPECT_EQ(pipeline.take_output(), "MAIL\r\n");
    EXPECT_FALSE(pipeline.may_say_next());
    pipeline.pop();
    EXPECT_TRUE(pipeline.may_say_next());
}

TEST(Pipeline, a_command_is_asked_when_its_bytes_are_handed_out) {
    Pipeline pipeline(true);
    pipeline.say({Question::mail, 1}, "MAIL\r\n");
    EXPECT_EQ(pipeline.asked(), 0u);
    EXPECT_FALSE(pipeline.first_asked_of(1));
    EXPECT_EQ(pipeline.first_of(1), Question::mail);
    EXPECT_EQ(pipeline.take_output(), "MAIL\r\n");
    EXPECT_EQ(pipeline.asked(), 1u);
    pipeline.say({Question::rcpt, 1, 0}, "RCPT\r\n");
    EXPECT_EQ(pipeline.asked(), 1u) << "RCPT is still here";
    EXPECT_TRUE(pipeline.has_asked(1, Question::mail));
    EXPECT_FALSE(pipeline.has_asked(1, Question::rcpt));
    pipeline.pop();
    EXPECT_EQ(pipeline.asked(), 0u);
    EXPECT_EQ(pipeline.front().question, Question::rcpt);
}

TEST(Pipeline, replies_are_told_apart_by_their_transaction) {
    Pipeline pipeline(true);
    pipeline.say({Question::body, 1}, "");
    pipeline.say({Question::rset, 2}, "RSET\r\n");
    pipeline.say({Question::rcpt, 2, 3}, "RCPT\r\n");
    pipeline.say({Question::rcpt, 2, 5}, "RCPT\r\n");
    EXPECT_EQ(pipeline.take_output(), "RSET\r\nRCPT\r\nRCPT\r\n");
    EXPECT_EQ(pipeline.first_asked_of(1), Question::body);
    EXPECT_EQ(pipeline.first_asked_of(2), Question::rset);
    EXPECT_FALSE(pipeline.first_of(3));
    EXPECT_FALSE(pipeline.has_asked(2, Question::body));
    EXPECT_THAT(pipeline.recipients_awaited(1), IsEmpty());
    EXPECT_THAT(pipeline.recipients_awaited(2), ElementsAre(3, 5));
}

TEST(Pipeline, after_its_end_only_the_last_words_are_left) {
    Pipeline pipeline(true);
    pipeline.say({Question::mail, 1}, "MAIL\r\n");
    pipeline.close("QUIT\r\n");
    EXPECT_TRUE(pipeline.is_empty());
    EXPECT_EQ(pipeline.take_output(), "QUIT\r\n");
    EXPECT_EQ(pipeline.asked(), 0u);
}

TEST(Pipeline, each_question_has_the_timeout_of_its_command) {
    ClientTimeouts timeouts;
    timeouts.rset = Millis{1};
    timeouts.command = Millis{2};
    timeouts.data_command = Millis{3};
    timeouts.data_block = Millis{4};
    timeouts.final_dot = Millis{5};
    const std::pair<Question, Millis> cases[] = {
        {Question::rset, Millis{1}}, {Question::mail, Millis{2}},  {Question::rcpt, Millis{2}},
        {Question::data, Millis{3}}, {Question::chunk, Millis{4}}, {Question::body, Millis{5}}};
    for (const auto& [question, want] : cases) EXPECT_EQ(timeout_of(timeouts, question), want);
}

}  // namespace
}  // namespace mta::smtp
