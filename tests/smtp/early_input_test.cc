#include "mta/smtp/server/early_input.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using Verdict = EarlyInput::Verdict;

TEST(EarlyInputVerdict, before_the_banner_is_only_for_our_own) {
    EXPECT_EQ(EarlyInput(false).verdict(), Verdict::refused);
    EXPECT_EQ(EarlyInput(true).verdict(), Verdict::allowed);
}

TEST(EarlyInputVerdict, depends_on_the_command_and_on_the_client) {
    struct Row {
        Verb verb;
        bool is_extended, is_greeted;
        Verdict stranger, own;
    };
    for (const auto& [verb, is_extended, is_greeted, stranger, own] : {
             Row{Verb::ehlo, true, true, Verdict::refused, Verdict::allowed},
             {Verb::mail, true, true, Verdict::in_time, Verdict::in_time},
             {Verb::rcpt, true, true, Verdict::in_time, Verdict::in_time},
             {Verb::rset, true, true, Verdict::in_time, Verdict::in_time},
             {Verb::mail, false, true, Verdict::refused, Verdict::allowed},
             {Verb::data, true, true, Verdict::refused, Verdict::allowed},
             {Verb::bdat, true, true, Verdict::in_time, Verdict::in_time},
             {Verb::bdat, false, true, Verdict::in_time, Verdict::in_time},
             {Verb::starttls, true, true, Verdict::refused, Verdict::refused},
             {Verb::auth, true, true, Verdict::refused, Verdict::refused},
             {Verb::unknown, false, false, Verdict::refused, Verdict::refused},
             {Verb::unknown, false, true, Verdict::refused, Verdict::allowed},
         }) {
        for (const bool is_own : {false, true}) {
            EarlyInput early(is_own);
            early.end_reply();
            EXPECT_EQ(early.verdict(), Verdict::in_time);
            early.begin_reply(verb, is_own, is_extended, is_greeted);
            EXPECT_EQ(early.verdict(), is_own ? own : stranger)
                << to_string(verb) << (is_extended ? " extended" : "") << (is_own ? " own" : "");
            early.end_reply();
            EXPECT_EQ(early.verdict(), Verdict::in_time) << "the reply has left";
        }
    }
}

}  // namespace
}  // namespace mta::smtp
