// How a session ends: a connection that is lost, and a tidy QUIT.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/smtp/client/client_session.h"
#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view pipelining = "250-mx\r\n250 PIPELINING\r\n";
constexpr std::string_view chunking = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

// ---- Loss ----

TEST(ClientSession, a_loss_is_in_doubt_only_after_all_of_the_body_has_left) {
    const char* replies[] = {"250 a\r\n", "250 b\r\n", "354 c\r\n"};
    for (int count = 0; count <= 3; ++count) {
        ClientDialogue dialogue;
        dialogue.greets("250 mx\r\n");
        dialogue.start(transaction_for());
        for (int i = 0; i < count; ++i) dialogue.says(replies[i]);
        dialogue.closes("broken pipe");
        EXPECT_EQ(dialogue.ended.at(0).in_doubt, count == 3) << count;
        EXPECT_EQ(dialogue.ended[0].recipients[0].error().scope,
                  count == 1 ? Scope::recipient : Scope::message);
    }
}

TEST(ClientSession, a_loss_in_the_middle_of_a_pulled_body_is_not_in_doubt) {
    for (const bool is_last : {false, true}) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(pulled_transaction_for());
        dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
        dialogue.body("all of it\r\n", is_last);
        dialogue.closes();
        EXPECT_EQ(dialogue.ended.at(0).in_doubt, is_last);
    }
}

TEST(ClientSession, a_final_dot_that_was_not_handed_out_is_not_in_doubt) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.session.on_bytes(dialogue.now, "250 a\r\n250 b\r\n354 c\r\n");
    dialogue.session.on_closed(dialogue.now, "");
    EXPECT_EQ(dialogue.pump(), "");
    EXPECT_FALSE(dialogue.ended.at(0).in_doubt);
}

TEST(ClientSession, a_refused_recipient_is_not_in_doubt_with_the_others) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for({"b@them.example", "c@them.example"}));
    dialogue.says("250 a\r\n550 5.1.1 no\r\n250 c\r\n354 d\r\n");
    dialogue.closes();
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 5.1.1 recipient 550, 4.4.2 message; in doubt",
                            "over message 4.4.2 message"));
}

TEST(ClientSession, a_chunk_sent_with_its_commands_is_in_doubt_until_all_are_refused) {
    struct Case {
        std::string_view replies;
        bool in_doubt;
    };
    for (const auto& test : {Case{"", true}, Case{"250 a\r\n", true}, Case{"550 a\r\n", false},
                             Case{"250 a\r\n250 b\r\n", true}, Case{"250 a\r\n550 b\r\n", false}}) {
        ClientDialogue dialogue;
        dialogue.greets(chunking);
        dialogue.start(transaction_for());
        dialogue.says(test.replies);
        dialogue.closes("connection reset by peer");
        EXPECT_EQ(dialogue.ended.at(0).in_doubt, test.in_doubt) << test.replies;
    }
}

TEST(ClientSession, a_server_that_closes_in_order_before_the_chunk_had_its_turn_has_not_taken_it) {
    struct Case {
        std::string_view replies;
        bool in_doubt;
        std::string_view stage;
    };
    for (const auto& test : {Case{"", false, "MAIL"}, Case{"250 a\r\n", false, "RCPT"},
                             Case{"250 a\r\n250 b\r\n", false, "RCPT"},
                             Case{"250 a\r\n250 b\r\n250 c\r\n", true, "the message"}}) {
        ClientDialogue dialogue;
        dialogue.greets(chunking);
        dialogue.start(transaction_for({"b@them.example", "c@them.example"}));
        dialogue.says(test.replies);
        dialogue.closes();
        const auto& ended = dialogue.ended.at(0);
        EXPECT_EQ(ended.in_doubt, test.in_doubt) << test.replies;
        EXPECT_EQ(ended.recipients.at(1).error().text,
                  "the server closed the connection during " + std::string(test.stage));
    }
}

TEST(ClientSession, a_kept_connection_that_closes_under_a_whole_message_is_no_failure) {
    ClientDialogue dialogue;
    dialogue.greets(chunking);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n250 c\r\n");
    dialogue.start(transaction_for());
    dialogue.closes();
    EXPECT_TRUE(dialogue.ended.at(1).never_began);
    EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::idle_closed);
}

TEST(ClientSession, a_loss_behind_the_final_dot_leaves_the_next_transaction_unbegun) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
    dialogue.says("250 first\r\n");
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
    dialogue.start(transaction_for({"c@them.example"}));
    dialogue.closes();
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: ok", "ready", "ended 2: 4.4.2 message; in doubt",
                            "ended 3: 4.4.2 message; never began", "over message 4.4.2 message"));
}

TEST(ClientSession, a_connection_that_went_stale_is_no_failure) {
    for (const bool with_421 : {false, true}) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for());
        dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
        dialogue.says("250 ok\r\n");
        dialogue.start(transaction_for());
        if (with_421) dialogue.says("421 idle too long\r\n");
        if (!with_421) dialogue.closes();
        EXPECT_TRUE(dialogue.ended.at(1).never_began);
        EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::idle_closed);
    }
}

TEST(ClientSession, a_transaction_that_was_answered_is_not_stale) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("550 a\r\n503 b\r\n503 c\r\n");
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n");
    dialogue.closes();
    EXPECT_FALSE(dialogue.ended.at(1).never_began);
    EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::message);
}

TEST(ClientSession, a_first_transaction_is_never_stale) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.closes();
    EXPECT_FALSE(dialogue.ended.at(0).never_began);
    EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::message);
}

TEST(ClientSession, a_server_may_leave_while_nothing_is_under_way) {
    for (const std::string_view words : {"", "421 4.4.2 idle\r\n", "451 timeout\r\n"}) {
        ClientDialogue dialogue;
        dialogue.greets();
        dialogue.says(words);
        dialogue.closes();
        EXPECT_EQ(dialogue.over.size(), 1u);
        EXPECT_EQ(dialogue.over.at(0).reason, ClientSession::EndReason::idle_closed) << words;
    }
}

// ---- The end ----

TEST(ClientSession, quits) {
    for (const std::string_view reply : {"221 bye\r\n", "500 what?\r\n", "no!\r\n"}) {
        ClientDialogue dialogue;
        dialogue.greets();
        dialogue.session.quit(dialogue.now);
        EXPECT_FALSE(dialogue.session.can_start());
        EXPECT_EQ(dialogue.pump(), "QUIT\r\n");
        EXPECT_EQ(dialogue.says(reply), "");
        dialogue.says("221 bye\r\n");
        dialogue.closes();
        EXPECT_THAT(dialogue.take_events(), ElementsAre("ready", "over quit"));
    }
}

TEST(ClientSession, quits_when_the_transaction_under_way_has_ended) {
    ClientDialogue dialogue;
    dialogue.greets("250 mx\r\n");
    dialogue.start(transaction_for());
    dialogue.session.quit(dialogue.now);
    EXPECT_EQ(dialogue.says("250 a\r\n"), "RCPT TO:<b@them.example>\r\n");
    EXPECT_EQ(dialogue.says("550 5.1.1 no\r\n"), "QUIT\r\n");
    dialogue.closes();
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 5.1.1 recipient 550", "over quit"));
}

TEST(ClientSession, quits_before_it_is_ready_as_soon_as_it_can) {
    ClientDialogue dialogue;
    dialogue.session.quit(dialogue.now);
    EXPECT_EQ(dialogue.says("220 hi\r\n"), "EHLO mx.us.example\r\n");
    EXPECT_EQ(dialogue.says("250 mx\r\n"), "QUIT\r\n");
    EXPECT_THAT(dialogue.take_events(), IsEmpty());
}

TEST(ClientSession, ignores_everything_after_its_end) {
    ClientDialogue dialogue;
    dialogue.says("421 no\r\n");
    dialogue.take_events();
    EXPECT_EQ(dialogue.says("220 hi\r\n250 ok\r\n"), "");
    dialogue.closes();
    dialogue.session.quit(dialogue.now);
    dialogue.session.on_deadline(dialogue.now + 24h);
    EXPECT_EQ(dialogue.pump(), "");
    EXPECT_THAT(dialogue.take_events(), IsEmpty());
    EXPECT_FALSE(dialogue.session.can_start());
}

}  // namespace
}  // namespace mta::smtp
