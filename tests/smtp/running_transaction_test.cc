#include "mta/smtp/client/running_transaction.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

const Instant now = from_unix_ms(1'000'000);

// A transaction with a pipeline of its own and no session around it.
class Lone {
public:
    explicit Lone(Capabilities capabilities, Transaction of = transaction_for())
        : pipeline(capabilities.pipelining),
          transaction(std::make_unique<RunningTransaction>(1, std::move(of), capabilities, now)) {}

    std::string begins(bool needs_reset = false) {
        transaction->begin(needs_reset, pipeline);
        return pipeline.take_output();
    }
    // The reply to each command in turn, and all that is said then.
    std::string replies(const std::vector<std::uint16_t>& codes) {
        std::string said;
        for (const auto code : codes) {
            broken = transaction->on_reply({code, {}}, {.is_all_sent = is_all_sent}, pipeline);
            if (broken) return "broken";
            pipeline.pop();
            transaction->advance(pipeline);
            said += pipeline.take_output();
        }
        return said;
    }
    TransactionEnded ends() {
        TransactionEnded ended;
        transaction->conclude("mx.them.example", pipeline, ended);
        return ended;
    }

    Pipeline pipeline;
    std::unique_ptr<RunningTransaction> transaction;
    bool is_all_sent = true;
    std::optional<SessionBreak> broken;
};

#define MAIL "MAIL FROM:<a@us.example>\r\n"
#define RCPT_B "RCPT TO:<b@them.example>\r\n"
#define RCPT_C "RCPT TO:<c@them.example>\r\n"

TEST(RunningTransaction, says_one_command_at_a_time_without_pipelining) {
    Lone run({});
    EXPECT_EQ(run.begins(), MAIL);
    EXPECT_EQ(run.transaction->stage(run.pipeline), Stage::mail);
    EXPECT_EQ(run.replies({250}), RCPT_B);
    EXPECT_EQ(run.transaction->stage(run.pipeline), Stage::rcpt);
    EXPECT_EQ(run.replies({250}), "DATA\r\n");
    EXPECT_FALSE(run.transaction->is_body_complete());
    EXPECT_EQ(run.replies({354}), "hello\r\n.\r\n");
    EXPECT_TRUE(run.transaction->is_body_complete());
    EXPECT_FALSE(run.transaction->is_over());
    EXPECT_EQ(run.replies({250}), "");
    EXPECT_TRUE(run.transaction->is_over());
    const auto ended = run.ends();
    ASSERT_EQ(ended.recipients.size(), 1u);
    EXPECT_TRUE(ended.recipients[0]);
    EXPECT_EQ(ended.reply_code, 250);
    EXPECT_EQ(ended.answers, 4u);
}

TEST(RunningTransaction, says_all_at_once_with_pipelining_and_resets_first_where_needed) {
    Lone run({.pipelining = true});
    EXPECT_EQ(run.begins(true), "RSET\r\n" MAIL RCPT_B "DATA\r\n");
    EXPECT_EQ(run.transaction->stage(run.pipeline), Stage::rset);
    EXPECT_EQ(run.replies({250}), "");
    EXPECT_EQ(run.transaction->answers(), 0u) << "RSET is not about the message";
}

TEST(RunningTransaction, one_that_the_server_cannot_take_is_over_from_the_start) {
    auto too_large = transaction_for();
    too_large.facts.size = 1001;
    Lone run({.size = true, .size_bytes_max = 1000}, std::move(too_large));
    EXPECT_TRUE(run.transaction->is_over());
    const auto ended = run.ends();
    ASSERT_FALSE(ended.recipients.at(0));
    EXPECT_EQ(ended.recipients[0].error().status, (EnhancedStatus{5, 3, 4}));
    EXPECT_EQ(ended.recipients[0].error().remote, "mx.them.example");
}

TEST(RunningTransaction, passes_over_a_recipient_that_cannot_be_written) {
    Lone run({.pipelining = true}, transaction_for({"b@them.example", "x\r\nDATA"}));
    EXPECT_EQ(run.begins(), MAIL RCPT_B "DATA\r\n");
}

TEST(RunningTransaction, pulls_a_large_body_once_a_recipient_is_accepted) {
    Lone run({.pipelining = true, .chunking = true}, pulled_transaction_for());
    EXPECT_EQ(run.begins(), MAIL RCPT_B);
    EXPECT_FALSE(run.transaction->is_pulling());
    EXPECT_EQ(run.replies({250, 250}), "");
    ASSERT_TRUE(run.transaction->is_pulling());
    EXPECT_EQ(run.transaction->stage(run.pipeline), Stage::body);
    run.transaction->append_body("abc", false, run.pipeline);
    run.transaction->append_body("", true, run.pipeline);
    EXPECT_EQ(run.pipeline.take_output(), "BDAT 3\r\nabcBDAT 2 LAST\r\n\r\n");
    EXPECT_EQ(run.transaction->replies_awaited(), 2u);
}

TEST(RunningTransaction, has_an_open_mail_until_the_final_reply) {
    Lone refused({});
    refused.begins();
    refused.replies({250, 550});
    EXPECT_TRUE(refused.transaction->is_over());
    EXPECT_TRUE(refused.transaction->has_open_mail())
        << "MAIL was accepted, and nothing came of it";

    Lone delivered({});
    delivered.begins();
    delivered.replies({250, 250, 354, 250});
    EXPECT_FALSE(delivered.transaction->has_open_mail());
}

// Replies after which the session cannot go on, and why.
TEST(RunningTransaction, says_why_the_session_cannot_go_on) {
    struct Case {
        const char* name;
        bool with_reset;
        bool with_bdat;
        std::vector<std::uint16_t> codes;
        DeliveryError error;  // status and scope
        SessionBreak flags;
    };
    const EnhancedStatus out_of_step{4, 5, 0};
    const Case cases[] = {
        {"mail 3xx", false, false, {354}, {out_of_step, Scope::message}, {}},
        {"rcpt 3xx", false, false, {250, 354}, {out_of_step, Scope::recipient}, {}},
        {"data 2xx", false, false, {250, 250, 250}, {out_of_step, Scope::message}, {}},
        {"body 3xx", false, false, {250, 250, 354, 354}, {out_of_step, Scope::message}, {}},
        {"rset refused",
         true,
         false,
         {500},
         {{4, 5, 2}, Scope::host},
         {.is_in_step = true, .needs_new_connection = true}},
        {"too large, perhaps before the end",
         false,
         false,
         {250, 250, 354, 552},
         {{5, 0, 0}, Scope::message},
         {.is_refusal = true, .is_in_step = true}},
        {"bdat unknown",
         false,
         true,
         {250, 250, 500},
         {{4, 5, 2}, Scope::host},
         {.is_refusal = true, .chunking_refused = true}},
        {"bdat misplaced without a reason",
         false,
         true,
         {250, 250, 503},
         {{4, 5, 1}, Scope::host},
         {.is_refusal = true, .chunking_refused = true}},
    };
    for (const auto& test : cases) {
        Lone run({.chunking = test.with_bdat});
        run.begins(test.with_reset);
        EXPECT_EQ(run.replies(test.codes), "broken") << test.name;
        ASSERT_TRUE(run.broken) << test.name;
        const auto stage = run.transaction->stage(run.pipeline);
        EXPECT_EQ(run.broken->error_at(stage).status, test.error.status) << test.name;
        EXPECT_EQ(run.broken->error_at(stage).scope, test.error.scope) << test.name;
        EXPECT_EQ(run.broken->is_refusal, test.flags.is_refusal) << test.name;
        EXPECT_EQ(run.broken->is_in_step, test.flags.is_in_step) << test.name;
        EXPECT_EQ(run.broken->chunking_refused, test.flags.chunking_refused) << test.name;
        EXPECT_EQ(run.broken->needs_new_connection, test.flags.needs_new_connection) << test.name;
    }
}

TEST(RunningTransaction, a_refusal_before_all_of_the_body_has_left_breaks_the_session) {
    for (const bool is_all_sent : {true, false}) {
        Lone run({});
        run.begins();
        run.replies({250, 250, 354});
        run.is_all_sent = is_all_sent;
        EXPECT_EQ(run.replies({554}), is_all_sent ? "" : "broken");
    }
}

TEST(RunningTransaction, is_in_doubt_once_the_body_has_left_to_an_accepted_recipient) {
    Lone run({.pipelining = true, .chunking = true}, transaction_for({"b@them.example"}));
    run.transaction->begin(false, run.pipeline);
    EXPECT_FALSE(run.transaction->is_in_doubt(run.pipeline)) << "nothing has left";
    (void)run.pipeline.take_output();
    EXPECT_TRUE(run.transaction->is_in_doubt(run.pipeline));
    EXPECT_FALSE(run.transaction->is_in_doubt(run.pipeline, true)) << "MAIL was never answered";
    run.replies({250, 250});
    EXPECT_TRUE(run.transaction->is_in_doubt(run.pipeline, true)) << "the body was next";

    Lone refused({.pipelining = true, .chunking = true});
    refused.begins();
    refused.replies({250, 550});
    EXPECT_FALSE(refused.transaction->is_in_doubt(refused.pipeline)) << "sent for nobody";
}

TEST(RunningTransaction, a_break_is_the_error_of_those_without_an_answer) {
    Lone run({.pipelining = true},
             transaction_for({"b@them.example", "c@them.example", "d@them.example"}));
    run.begins();
    run.replies({250, 550, 250});  // one RCPT is left without a reply
    TransactionEnded ended;
    run.transaction->break_off(error_from_timeout(Stage::rcpt), run.pipeline, ended);
    run.transaction->conclude("mx.them.example", run.pipeline, ended);
    EXPECT_EQ(ended.broken_off, (std::vector<std::size_t>{1, 2}));
    EXPECT_EQ(ended.suspects, (std::vector<std::size_t>{2}));
    EXPECT_EQ(ended.recipients[0].error().reply_code, 550);
    EXPECT_EQ(ended.recipients[1].error().scope, Scope::message);
    EXPECT_EQ(ended.recipients[2].error().scope, Scope::recipient);
}

}  // namespace
}  // namespace mta::smtp
