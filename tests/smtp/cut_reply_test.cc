// Replies without an end: endless text, a connection that breaks in the middle of a reply, a server
// that falls silent there. A code that was said counts.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view pipelining = "250-mx\r\n250 PIPELINING\r\n";

// What the server says last, and how the reply stays without its end.
enum class Cut { text_without_end, lines_without_end, close, reset, silence, nonsense };
constexpr Cut cuts[] = {Cut::text_without_end, Cut::lines_without_end, Cut::close, Cut::reset,
                        Cut::silence,          Cut::nonsense};

// `reply`: "250 2.0.0 taken". The last line of several is that of `reply`.
void say_without_end(ClientDialogue& dialogue, const std::string& reply, Cut cut) {
    const auto code = reply.substr(0, 3);
    switch (cut) {
        case Cut::text_without_end:
            dialogue.says(reply + std::string(limits::reply_raw_bytes_max, 'z'));
            return;
        case Cut::lines_without_end: {
            std::string lines;
            while (lines.size() <= limits::reply_raw_bytes_max)
                lines += code + "-" + reply.substr(4) + std::string(4000, 'z') + "\r\n";
            dialogue.says(lines);
            return;
        }
        case Cut::close:
            dialogue.says(reply);
            dialogue.closes();
            return;
        case Cut::reset:
            dialogue.says(code + "-" + reply.substr(4) + "\r\n");
            dialogue.closes("connection reset by peer");
            return;
        case Cut::silence:
            dialogue.says(reply + "\r");
            dialogue.waits();
            return;
        case Cut::nonsense: dialogue.says(code + "-" + reply.substr(4) + "\r\nwhat?\r\n"); return;
    }
}

TEST(CutReply, a_yes_to_the_final_dot_is_a_delivery) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for({"b@them.example", "c@them.example"}));
        dialogue.says("250 a\r\n250 b\r\n550 5.1.1 no\r\n354 c\r\n");
        dialogue.take_events();
        say_without_end(dialogue, "250 2.0.0 taken", cut);
        const auto events = dialogue.take_events();
        ASSERT_EQ(events.size(), 2u) << static_cast<int>(cut);
        EXPECT_EQ(events[0], "ended 1: ok, 5.1.1 recipient 550") << static_cast<int>(cut);
        EXPECT_THAT(events[1], HasSubstr("over idle_closed"));
        EXPECT_EQ(dialogue.ended.at(0).reply_code, 250);
        EXPECT_THAT(dialogue.ended[0].reply, HasSubstr("2.0.0 taken"));
        EXPECT_TRUE(dialogue.session.has_ended());
    }
}

TEST(CutReply, a_no_to_the_final_dot_is_a_refusal_and_not_in_doubt) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for());
        dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
        dialogue.take_events();
        say_without_end(dialogue, "554 5.6.0 virus", cut);
        const auto events = dialogue.take_events();
        ASSERT_EQ(events.size(), 2u) << static_cast<int>(cut);
        EXPECT_EQ(events[0], "ended 1: 5.6.0 message 554") << static_cast<int>(cut);
        EXPECT_TRUE(dialogue.session.has_ended());
    }
}

TEST(CutReply, a_code_that_is_not_whole_leaves_the_message_in_doubt) {
    for (const std::string reply : {"2", "25", "25x", "2500", "250x"}) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for());
        dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
        dialogue.says(reply);
        dialogue.closes();
        EXPECT_TRUE(dialogue.ended.at(0).in_doubt) << reply;
    }
    ClientDialogue code_alone;
    code_alone.greets(pipelining);
    code_alone.start(transaction_for());
    code_alone.says("250 a\r\n250 b\r\n354 c\r\n");
    code_alone.says("250");
    code_alone.closes();
    EXPECT_TRUE(code_alone.ended.at(0).recipients.at(0));
}

TEST(CutReply, of_mixed_codes_the_last_line_counts) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
    dialogue.says("250-first\r\n451-4.3.0 then\r\n4");
    dialogue.closes();
    EXPECT_EQ(to_string(dialogue.ended.at(0).recipients.at(0).error().status), "4.0.0");
    EXPECT_EQ(dialogue.ended[0].recipients[0].error().reply_code, 451);
    EXPECT_FALSE(dialogue.ended[0].in_doubt);
}

TEST(CutReply, what_was_said_behind_a_message_with_such_a_yes_never_began) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for());
        dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
        dialogue.start(transaction_for());
        say_without_end(dialogue, "250 2.0.0 taken", cut);
        EXPECT_TRUE(dialogue.ended.at(0).recipients.at(0));
        EXPECT_TRUE(dialogue.ended.at(1).never_began) << static_cast<int>(cut);
        EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::idle_closed);
    }
}

TEST(CutReply, a_no_to_a_recipient_is_its_answer_and_the_break_is_about_the_others) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for({"b@them.example", "c@them.example"}));
        dialogue.says("250 a\r\n");
        say_without_end(dialogue, "550 5.1.1 no", cut);
        const auto& ended = dialogue.ended.at(0);
        EXPECT_EQ(to_string(ended.recipients.at(0).error().status), "5.1.1");
        EXPECT_THAT(ended.broken_off, ElementsAre(1)) << static_cast<int>(cut);
        EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::message);
    }
}

TEST(CutReply, a_refused_recipient_that_was_alone_ends_the_transaction) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets();
        dialogue.start(transaction_for());
        dialogue.says("250 a\r\n");
        dialogue.take_events();
        say_without_end(dialogue, "550 5.1.1 no", cut);
        const auto events = dialogue.take_events();
        ASSERT_EQ(events.size(), 2u);
        EXPECT_EQ(events[0], "ended 1: 5.1.1 recipient 550");
        EXPECT_THAT(events[1], HasSubstr("over idle_closed"));
    }
}

TEST(CutReply, a_yes_before_the_body_takes_the_message_no_further) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets();
        dialogue.start(transaction_for());
        say_without_end(dialogue, "250 2.1.0 ok", cut);
        EXPECT_THAT(dialogue.ended.at(0).broken_off, ElementsAre(0)) << static_cast<int>(cut);
        EXPECT_FALSE(dialogue.ended[0].in_doubt);
        EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::message);
    }
}

TEST(CutReply, a_greeting_that_refuses_is_reported_with_its_code) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        say_without_end(dialogue, "554 5.7.1 your address is blocked", cut);
        EXPECT_THAT(dialogue.take_events(), ElementsAre("over failed 4.7.1 host 554"));
    }
}

TEST(CutReply, an_ehlo_that_is_not_answered_to_the_end_is_a_failure_of_the_host) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.says("220 mx\r\n");
        say_without_end(dialogue, "250 mx", cut);
        const auto events = dialogue.take_events();
        ASSERT_EQ(events.size(), 1u);
        EXPECT_THAT(events[0], HasSubstr("over failed 4."));
    }
}

TEST(CutReply, megabytes_of_text_that_come_to_an_end_are_an_answer_like_any_other) {
    const std::string text(5'000'000, 'z');
    ClientDialogue dialogue;
    dialogue.says("220 " + text + "\r\n");
    dialogue.says("250-mx " + text + "\r\n250 PIPELINING\r\n");
    dialogue.start(transaction_for());
    dialogue.says("250 " + text + "\r\n250 " + text + "\r\n354 c\r\n");
    dialogue.says("250 2.0.0 " + text + "\r\n");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready", "ended 1: ok", "ready"));
}

TEST(ClientSession, any_failure_of_rset_is_charged_to_nothing_and_needs_a_new_connection) {
    for (const auto cut : cuts) {
        ClientDialogue dialogue;
        dialogue.greets("250 mx\r\n");
        dialogue.start(transaction_for());
        dialogue.says("250 a\r\n");
        dialogue.says("550 5.1.1 no\r\n");
        EXPECT_EQ(dialogue.start(transaction_for()), "RSET\r\n");
        say_without_end(dialogue, "250 reset", cut);
        EXPECT_TRUE(dialogue.ended.at(1).never_began) << static_cast<int>(cut);
        EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::idle_closed);
    }
    ClientDialogue silent;
    silent.greets(pipelining);
    silent.start(transaction_for());
    silent.says("250 a\r\n550 5.1.1 no\r\n554 no\r\n");
    silent.start(transaction_for());
    silent.waits();
    EXPECT_TRUE(silent.ended.at(1).never_began);
    EXPECT_EQ(silent.ended[1].suspect, std::nullopt);
    EXPECT_EQ(silent.over.at(0).reason, ClientSession::EndReason::idle_closed);
}

}  // namespace
}  // namespace mta::smtp
