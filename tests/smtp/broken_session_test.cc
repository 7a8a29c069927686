// Sessions that break after EHLO.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

using testing::ElementsAre;

constexpr std::string_view pipelining = "250-mx\r\n250 PIPELINING\r\n";

TEST(BrokenSession, a_break_with_one_recipient_outstanding_is_about_that_one) {
    ClientDialogue dialogue;
    dialogue.greets("250 mx\r\n");
    dialogue.start(transaction_for({"a@them.example", "b@them.example", "c@them.example"}));
    dialogue.says("250 mail\r\n");
    dialogue.says("250 a\r\n");
    dialogue.closes();
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 4.4.2 message, 4.4.2 recipient, 4.4.2 message",
                            "over message 4.4.2 recipient"));
    EXPECT_THAT(dialogue.ended.at(0).broken_off, ElementsAre(0, 1, 2));
    EXPECT_THAT(dialogue.ended[0].suspects, ElementsAre(1));
}

TEST(BrokenSession, a_break_with_several_recipients_outstanding_is_about_the_message) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for({"a@them.example", "b@them.example", "c@them.example"}));
    dialogue.says("250 mail\r\n550 5.1.1 no\r\n");
    dialogue.says("421 4.3.2 closing\r\n");
    EXPECT_THAT(
        dialogue.take_events(),
        ElementsAre("ready", "ended 1: 5.1.1 recipient 550, 4.3.2 message 421, 4.3.2 message 421",
                    "over message 4.3.2 recipient 421"));
    EXPECT_THAT(dialogue.ended.at(0).broken_off, ElementsAre(1, 2));
    EXPECT_THAT(dialogue.ended[0].suspects, ElementsAre(1, 2));
}

TEST(BrokenSession, what_was_said_behind_the_message_that_breaks_the_session_never_began) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
    dialogue.start(transaction_for());
    dialogue.says("421 4.3.2 closing\r\n");
    EXPECT_FALSE(dialogue.ended.at(0).never_began);
    EXPECT_TRUE(dialogue.ended.at(1).never_began);
}

TEST(BrokenSession, a_no_that_may_have_come_before_the_final_dot_ends_the_session) {
    struct Row {
        std::string_view reply;
        bool is_all_sent;
        bool is_over;
    };
    for (const auto& row :
         {Row{"552 5.3.4 too large\r\n", true, true}, Row{"554 5.6.0 virus\r\n", false, true},
          Row{"554 5.6.0 virus\r\n", true, false}}) {
        for (const bool has_next : {true, false}) {
            ClientDialogue dialogue;
            dialogue.greets(pipelining);
            dialogue.start(transaction_for());
            dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
            if (has_next) dialogue.start(transaction_for());
            dialogue.session.on_bytes(dialogue.now, row.reply, row.is_all_sent);
            EXPECT_EQ(dialogue.pump(), row.is_over && !has_next ? "QUIT\r\n" : "");
            const auto& refused = dialogue.ended.at(0);
            EXPECT_TRUE(refused.recipients.at(0).error().is_permanent());
            EXPECT_FALSE(refused.in_doubt || refused.never_began || refused.suspect);
            EXPECT_TRUE(refused.broken_off.empty());
            EXPECT_EQ(dialogue.session.has_ended(), row.is_over);
            if (!row.is_over || !has_next) continue;
            EXPECT_TRUE(dialogue.ended.at(1).never_began);
            EXPECT_FALSE(dialogue.ended[1].in_doubt);
        }
    }
}

}  // namespace
}  // namespace mta::smtp
