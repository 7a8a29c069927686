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

}  // namespace
}  // namespace mta::smtp
