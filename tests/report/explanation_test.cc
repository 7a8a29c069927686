#include "mta/report/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::report {
namespace {

using testing::HasSubstr;

struct Row {
    EnhancedStatus status;
    std::uint16_t code;
    std::string_view text;
    std::string_view what;
};
const Row rows[] = {
    {{5, 1, 1}, 550, "5.1.1 x", "There is no mailbox with this address at them.example."},
    {{5, 1, 2}, 550, "", "The domain them.example does not exist."},
    {{5, 1, 2}, 0, "NXDOMAIN", "The domain them.example does not exist."},
    {{5, 1, 10}, 0, "null MX", "takes no mail at all"},
    {{5, 2, 2}, 552, "over", "mailbox is full"},
    {{5, 2, 1}, 550, "Mailbox disabled", "switched off"},
    {{5, 2, 1}, 550, "user unknown", "There is no mailbox"},
    {{5, 3, 4}, 552, "", "too big"},
    {{5, 4, 6}, 0, "", "round in circles"},
    {{4, 4, 1}, 0, "connection refused", "could not be reached"},
    {{4, 4, 3}, 0, "SERVFAIL", "name service did not answer"},
    {{5, 6, 7}, 553, "", "letters beyond A to Z"},
    {{5, 7, 1}, 550, "not here", "refused the message because of its rules"},
    {{5, 7, 1},
     554,
     "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
     "does not take mail from our mail server"},
    {{5, 7, 1}, 554, "This looks like SPAM", "unwanted mail"},
    {{5, 7, 26}, 550, "SPF", "does not take mail from our mail server"},
    // No enhanced code worth the name: the words decide.
    {{5, 0, 0}, 550, "Requested action not taken: no such user here", "There is no mailbox"},
    {{5, 0, 0}, 550, "Invalid recipient", "There is no mailbox"},
    {{5, 0, 0}, 552, "Mailbox is FULL", "mailbox is full"},
    {{5, 0, 0}, 554, "go away", "did not accept the message"},
    // Words of our own are not guessed at.
    {{5, 0, 0}, 0, "no such user", "did not accept the message"},
};

TEST(Explanation, says_what_went_wrong_without_the_jargon) {
    for (const auto& row : rows) {
        const auto explanation = explain({.status = row.status,
                                          .scope = Scope::recipient,
                                          .reply_code = row.code,
                                          .text = std::string(row.text),
                                          .remote = ""},
                                         "them.example");
        EXPECT_THAT(explanation.what, HasSubstr(row.what)) << to_string(row.status) << row.text;
    }
}

TEST(Explanation, every_status_has_words_and_advice) {
    for (std::uint16_t subject = 0; subject < 9; ++subject) {
        for (std::uint16_t detail = 0; detail < 40; ++detail) {
            const auto explanation = explain({.status = {5, subject, detail},
                                              .scope = Scope::host,
                                              .reply_code = 0,
                                              .text = "",
                                              .remote = ""},
                                             "them.example");
            EXPECT_TRUE(explanation.what.ends_with('.')) << subject << '.' << detail;
            EXPECT_FALSE(explanation.advice.empty()) << subject << '.' << detail;
            EXPECT_EQ((explanation.what + explanation.advice).find('%'), std::string::npos);
        }
    }
}

TEST(Explanation, by_reach_where_there_is_no_status) {
    DeliveryError error;
    error.scope = Scope::host;
    EXPECT_THAT(explain(error, "d").what, HasSubstr("could not be reached"));
    error.scope = Scope::domain;
    EXPECT_THAT(explain(error, "d").what, HasSubstr("name service"));
}

}  // namespace
}  // namespace mta::report
