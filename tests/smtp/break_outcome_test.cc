#include "mta/smtp/client/break_outcome.h"

#include <deque>
#include <string>

#include <gtest/gtest.h>

#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

const Instant now = from_unix_ms(1'000'000);

// What is under way when the session breaks.
enum class Under : std::uint8_t {
    none,
    mail,          // MAIL is said, and has no reply
    body,          // the final dot is out
    body_and_next  // and behind it the MAIL of the next transaction
};

struct Case {
    const char* name;
    Under under;
    SessionBreak broken;
    bool has_served;
    std::string outcome;
};

const Reply no{450, {"4.2.0 later"}};
const Reply closing{421, {}};
const std::uint16_t up_to_the_body[] = {250, 250, 354};

// Of each transaction its first recipient's error, "in doubt" and "never began"; then the session's
// end.
const Case cases[] = {
    {"an idle connection is closed",
     Under::none,
     {.cause = SessionBreak::Loss{}, .may_be_stale = true},
     true,
     "idle"},
    {"an unasked reply while idle is the host's mistake, not a failure to connect",
     Under::none,
     {.cause = SessionBreak::Unexpected{{250, {}}}},
     true,
     "message 4.5.0"},
    {"lost at the first command",
     Under::mail,
     {.cause = SessionBreak::Loss{}, .may_be_stale = true},
     false,
     "4.4.2; message 4.4.2"},
    {"lost at the first command of a kept connection",
     Under::mail,
     {.cause = SessionBreak::Loss{}, .may_be_stale = true},
     true,
     "4.4.2 never began; idle"},
    {"421 at the first command of a kept connection",
     Under::mail,
     {.cause = SessionBreak::Refusal{closing}, .is_refusal = true, .may_be_stale = true},
     true,
     "4.3.2 never began; idle"},
    {"silence is never the idle timeout",
     Under::mail,
     {.cause = SessionBreak::Timeout{}},
     true,
     "4.4.2; message 4.4.2"},
    {"lost behind the final dot",
     Under::body,
     {.cause = SessionBreak::Loss{"reset"}, .may_be_stale = true},
     true,
     "4.4.2 in doubt; message 4.4.2"},
    {"closed in order behind the final dot",
     Under::body,
     {.cause = SessionBreak::Loss{}, .may_be_stale = true, .is_closed_in_order = true},
     true,
     "4.4.2 in doubt; message 4.4.2"},
    {"refused behind the final dot",
     Under::body,
     {.cause = SessionBreak::Refusal{no}, .is_refusal = true},
     false,
     "4.2.0; message 4.2.0"},
    {"the next transaction has not begun",
     Under::body_and_next,
     {.cause = SessionBreak::Loss{"reset"}, .may_be_stale = true},
     false,
     "4.4.2 in doubt; 4.4.2 never began; message 4.4.2"},
    {"a failure of the host is that of the next transaction, too",
     Under::body_and_next,
     {.cause = SessionBreak::Refusal{no, Stage::ehlo},
      .is_refusal = true,
      .chunking_refused = true},
     false,
     "4.2.0; 4.2.0; failed 4.2.0"},
};

std::string words_of(const BreakOutcome& outcome) {
    std::string text;
    for (const auto& ended : outcome.transactions) {
        text += to_string(ended.recipients.at(0).error().status);
        if (ended.in_doubt) text += " in doubt";
        if (ended.never_began) text += " never began";
        text += "; ";
    }
    using enum EndReason;
    const auto& [reason, error] = outcome.session;
    if (reason == idle_closed) return text + "idle";
    return text + (reason == failed ? "failed " : "message ") + to_string(error.status);
}

TEST(BreakOutcome, charges_each_transaction_and_the_session) {
    for (const auto& test : cases) {
        Pipeline pipeline(true);
        std::deque<RunningTransaction> running;
        const Capabilities capabilities{.pipelining = true};
        const auto start = [&](TransactionNumber number) {
            running.emplace_back(number, transaction_for(), capabilities, now);
            running.back().begin(false, pipeline);
            (void)pipeline.take_output();
        };
        if (test.under != Under::none) start(1);
        if (test.under == Under::body || test.under == Under::body_and_next) {
            for (const std::uint16_t code : up_to_the_body) {
                EXPECT_FALSE(running[0].on_reply({code, {}}, {}, pipeline)) << code;
                pipeline.pop();
            }
            (void)pipeline.take_output();
        }
        if (test.under == Under::body_and_next) start(2);
        const auto outcome = outcome_of(test.broken, running, pipeline,
                                        {.remote = "mx", .has_served = test.has_served});
        EXPECT_EQ(words_of(outcome), test.outcome) << test.name;
        for (const auto& ended : outcome.transactions)
            EXPECT_EQ(ended.recipients.at(0).error().remote, "mx") << test.name;
    }
}

TEST(BreakOutcome, suspects_the_extension_whose_first_use_got_no_answer) {
    struct Suspicion {
        const char* name;
        bool with_bdat;
        std::size_t replies;  // before the break
        SessionPast past;
        std::optional<SmtpKeyword> suspect;
    };
    const Suspicion suspicions[] = {
        {"a batch without any answer", false, 0, {}, SmtpKeyword::pipelining},
        {"a batch on a connection that has served", false, 0, {.has_served = true}, {}},
        {"the first BDAT", true, 2, {}, SmtpKeyword::chunking},
        {"a BDAT after one that was answered", true, 2, {.has_bdat_answer = true}, {}},
    };
    for (const auto& test : suspicions) {
        Pipeline pipeline(true);
        std::deque<RunningTransaction> running;
        running.emplace_back(1, transaction_for(),
                             Capabilities{.pipelining = true, .chunking = test.with_bdat}, now);
        running[0].begin(false, pipeline);
        (void)pipeline.take_output();
        for (std::size_t i = 0; i < test.replies; ++i) {
            EXPECT_FALSE(running[0].on_reply({250, {}}, {}, pipeline));
            pipeline.pop();
        }
        const auto outcome =
            outcome_of({.cause = SessionBreak::Loss{"reset"}, .may_be_stale = true}, running,
                       pipeline, test.past);
        ASSERT_EQ(outcome.transactions.size(), 1u);
        EXPECT_EQ(outcome.transactions[0].suspect, test.suspect) << test.name;
    }
}

}  // namespace
}  // namespace mta::smtp
