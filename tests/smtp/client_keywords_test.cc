// Keywords that a server announces in EHLO and does not know.
#include <gtest/gtest.h>

#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

constexpr std::string_view pipelining = "250-mx\r\n250 PIPELINING\r\n";
constexpr std::string_view chunking = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

TEST(ClientSession, pipelining_is_suspected_where_a_batch_of_commands_gets_no_answer) {
    struct Row {
        std::string_view replies;
        bool is_lost;
    };
    for (const auto& row : {Row{"", true}, Row{"250 a\r\n", false}, Row{"250 a\r\n", true},
                            Row{"250 a\r\nwhat?\r\n", true}}) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        EXPECT_EQ(dialogue.start(transaction_for()),
                  "MAIL FROM:<a@us.example>\r\nRCPT TO:<b@them.example>\r\nDATA\r\n");
        dialogue.says(row.replies);
        if (row.is_lost) {
            dialogue.closes();
        } else {
            dialogue.waits();
        }
        ASSERT_EQ(dialogue.ended.size(), 1u);
        EXPECT_EQ(dialogue.ended[0].suspect, SmtpKeyword::pipelining) << row.replies;
        EXPECT_FALSE(dialogue.ended[0].in_doubt);
        EXPECT_EQ(dialogue.ended[0].has_timed_out, !row.is_lost);
        EXPECT_EQ(dialogue.ended[0].answers, row.replies.empty() ? 0 : 1);
    }
}

TEST(ClientSession, pipelining_is_not_suspected_where_a_later_command_of_a_batch_hangs) {
    for (const std::string_view replies : {"250 a\r\n250 b\r\n", "250 a\r\n250 b\r\n250 c\r\n"}) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for({"b@them.example", "c@them.example", "d@them.example"}));
        dialogue.says(replies);
        dialogue.waits();
        EXPECT_EQ(dialogue.ended.at(0).suspect, std::nullopt) << replies;
    }
}

TEST(ClientSession, chunking_is_suspected_where_the_first_bdat_gets_no_answer) {
    ClientDialogue whole;
    whole.greets(chunking);
    whole.start(transaction_for());
    whole.says("250 a\r\n250 b\r\n");
    whole.closes("connection reset by peer");
    EXPECT_EQ(whole.ended.at(0).suspect, SmtpKeyword::chunking);
    EXPECT_TRUE(whole.ended[0].in_doubt);

    ClientDialogue pulled;
    pulled.greets(chunking);
    pulled.start(pulled_transaction_for());
    pulled.says("250 a\r\n250 b\r\n");
    pulled.body("hello\r\n", false);
    pulled.waits();
    EXPECT_EQ(pulled.ended.at(0).suspect, SmtpKeyword::chunking);
    EXPECT_FALSE(pulled.ended[0].in_doubt);
}

TEST(ClientSession, nothing_is_suspected_of_what_has_worked_or_was_not_used) {
    ClientDialogue worked;
    worked.greets(chunking);
    worked.start(transaction_for());
    worked.says("250 a\r\n250 b\r\n250 c\r\n");
    EXPECT_EQ(worked.ended.at(0).used,
              (SmtpKeywords{SmtpKeyword::pipelining, SmtpKeyword::chunking}));
    worked.start(transaction_for());
    worked.says("250 a\r\n");
    worked.closes();
    EXPECT_EQ(worked.ended.at(1).suspect, std::nullopt);

    ClientDialogue plain_server;
    plain_server.greets();
    plain_server.start(transaction_for());
    plain_server.says("250 a\r\n");
    plain_server.closes();
    EXPECT_EQ(plain_server.ended.at(0).suspect, std::nullopt);
    EXPECT_TRUE(plain_server.ended[0].used.is_empty());

    ClientDialogue silent;
    silent.greets(pipelining);
    silent.start(transaction_for());
    silent.waits();
    EXPECT_EQ(silent.ended.at(0).suspect, std::nullopt) << "it hangs";

    ClientDialogue refused;
    refused.greets(pipelining);
    refused.start(transaction_for());
    refused.says("421 closing\r\n");
    EXPECT_EQ(refused.ended.at(0).suspect, std::nullopt);
}

}  // namespace
}  // namespace mta::smtp
