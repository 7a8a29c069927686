#include "mta/smtp/client/client_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/smtp/client_dialogue.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view pipelining = "250-mx\r\n250 PIPELINING\r\n";
constexpr std::string_view chunking = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

// A whole dialogue with one transaction, started at Ready, and its events.
struct Dialogue {
    const char* name;
    std::string_view greeting;  // the server says these two in two steps
    std::string_view ehlo_reply;
    std::vector<std::string> recipients;
    std::string_view first_words;  // when the transaction is started
    std::vector<ClientDialogue::Step> steps;
    std::vector<std::string> events;
};

const std::vector<std::string> one = {"b@them.example"};
const std::vector<std::string> two = {"b@them.example", "c@them.example"};

#define MAIL "MAIL FROM:<a@us.example>\r\n"
#define RCPT_B "RCPT TO:<b@them.example>\r\n"
#define RCPT_C "RCPT TO:<c@them.example>\r\n"

const Dialogue dialogues[] = {
    {"delivers",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"250 ok\r\n", RCPT_B},
      {"250 ok\r\n", "DATA\r\n"},
      {"354 go\r\n", "hello\r\n.\r\n"},
      {"250 2.0.0 queued\r\n", ""}},
     {"ready", "ended 1: ok", "ready"}},
    {"delivers_to_those_not_refused",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"250 ok\r\n", RCPT_B},
      {"550 5.1.1 no such user\r\n", RCPT_C},
      {"251 forwarded\r\n", "DATA\r\n"},
      {"354 go\r\n", "hello\r\n.\r\n"},
      {"250 queued\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550, ok", "ready"}},
    {"too_many_recipients",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"250 ok\r\n", RCPT_B},
      {"250 ok\r\n", RCPT_C},
      {"552 too many\r\n", "DATA\r\n"},
      {"354 go\r\n", "hello\r\n.\r\n"},
      {"250 queued\r\n", ""}},
     {"ready", "ended 1: ok, 4.0.0 recipient 552", "ready"}},
    {"mail_refused",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"550 5.7.1 spam\r\n", ""}},
     {"ready", "ended 1: 5.7.1 message 550, 5.7.1 message 550", "ready"}},
    {"all_recipients_refused",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"250 ok\r\n", RCPT_B}, {"550 no\r\n", RCPT_C}, {"450 later\r\n", ""}},
     {"ready", "ended 1: 5.0.0 recipient 550, 4.0.0 recipient 450", "ready"}},
    {"data_refused",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"250 ok\r\n", RCPT_B},
      {"550 5.1.1 no\r\n", RCPT_C},
      {"250 ok\r\n", "DATA\r\n"},
      {"451 4.3.0 busy\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550, 4.3.0 message 451", "ready"}},
    {"body_refused",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"250 ok\r\n", RCPT_B},
      {"550 5.1.1 no\r\n", RCPT_C},
      {"250 ok\r\n", "DATA\r\n"},
      {"354 go\r\n", "hello\r\n.\r\n"},
      {"554 5.6.0 virus\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550, 5.6.0 message 554", "ready"}},
    {"unknown_3xx_goes_on_and_unknown_2xx_is_a_yes",
     "229 hi\r\n",
     "299 mx\r\n",
     one,
     MAIL,
     {{"299 ok\r\n", RCPT_B},
      {"298 ok\r\n", "DATA\r\n"},
      {"399 go\r\n", "hello\r\n.\r\n"},
      {"297 queued\r\n", ""}},
     {"ready", "ended 1: ok", "ready"}},

    {"pipelined",
     "220 hi\r\n",
     pipelining,
     two,
     MAIL RCPT_B RCPT_C "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n", "hello\r\n.\r\n"}, {"250 queued\r\n", ""}},
     {"ready", "ended 1: ok, 5.1.1 recipient 550", "ready"}},
    {"pipelined_replies_come_one_by_one",
     "220 hi\r\n",
     pipelining,
     two,
     MAIL RCPT_B RCPT_C "DATA\r\n",
     {{"250 ok\r\n", ""},
      {"250 ok\r\n", ""},
      {"250 ok\r\n", ""},
      {"354 go\r\n", "hello\r\n.\r\n"},
      {"250 queued\r\n", ""}},
     {"ready", "ended 1: ok, ok", "ready"}},
    {"pipelined_mail_refused",
     "220 hi\r\n",
     pipelining,
     two,
     MAIL RCPT_B RCPT_C "DATA\r\n",
     {{"550 5.7.1 spam\r\n503 no mail\r\n503 no mail\r\n503 no rcpt\r\n", ""}},
     {"ready", "ended 1: 5.7.1 message 550, 5.7.1 message 550", "ready"}},
    {"pipelined_all_refused",
     "220 hi\r\n",
     pipelining,
     two,
     MAIL RCPT_B RCPT_C "DATA\r\n",
     {{"250 ok\r\n550 5.1.1 no\r\n450 4.2.0 later\r\n554 5.5.1 no recipients\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550, 4.2.0 recipient 450", "ready"}},
    {"pipelined_all_refused_and_then_354",
     "220 hi\r\n",
     pipelining,
     two,
     MAIL RCPT_B RCPT_C "DATA\r\n",
     {{"250 ok\r\n550 5.1.1 no\r\n550 5.1.1 no\r\n354 go\r\n", ".\r\n"},
      {"250 accepted for nobody\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550, 5.1.1 recipient 550", "ready"}},
    {"pipelined_mail_refused_and_then_354",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"550 5.7.1 spam\r\n250 ok\r\n354 go\r\n", ".\r\n"}, {"554 nobody\r\n", ""}},
     {"ready", "ended 1: 5.7.1 message 550", "ready"}},
    {"pipelined_data_refused",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n452 4.3.1 disk full\r\n", ""}},
     {"ready", "ended 1: 4.3.1 message 452", "ready"}},

    {"chunked",
     "220 hi\r\n",
     chunking,
     two,
     MAIL RCPT_B RCPT_C "BDAT 7 LAST\r\nhello\r\n",
     {{"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 queued\r\n", ""}},
     {"ready", "ended 1: ok, 5.1.1 recipient 550", "ready"}},
    {"chunked_all_refused",
     "220 hi\r\n",
     chunking,
     one,
     MAIL RCPT_B "BDAT 7 LAST\r\nhello\r\n",
     {{"250 ok\r\n550 5.1.1 no\r\n503 5.5.1 no recipients\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550", "ready"}},
    {"chunked_mail_refused",
     "220 hi\r\n",
     chunking,
     one,
     MAIL RCPT_B "BDAT 7 LAST\r\nhello\r\n",
     {{"550 5.7.1 no\r\n503 no mail\r\n503 no rcpt\r\n", ""}},
     {"ready", "ended 1: 5.7.1 message 550", "ready"}},
    {"chunked_refused",
     "220 hi\r\n",
     chunking,
     one,
     MAIL RCPT_B "BDAT 7 LAST\r\nhello\r\n",
     {{"250 ok\r\n250 ok\r\n554 5.6.0 virus\r\n", ""}},
     {"ready", "ended 1: 5.6.0 message 554", "ready"}},
    {"chunking_unknown_after_all",
     "220 hi\r\n",
     chunking,
     one,
     MAIL RCPT_B "BDAT 7 LAST\r\nhello\r\n",
     {{"250 ok\r\n250 ok\r\n502 5.5.1 what?\r\n", ""}},
     {"ready", "ended 1: 4.5.1 host 502; chunking refused", "over failed 4.5.1 host 502"}},
    {"chunking_misplaced",
     "220 hi\r\n",
     chunking,
     one,
     MAIL RCPT_B "BDAT 7 LAST\r\nhello\r\n",
     {{"250 ok\r\n250 ok\r\n503 what?\r\n", ""}},
     {"ready", "ended 1: 4.5.1 host 503; chunking refused", "over failed 4.5.1 host 503"}},
    {"chunked_without_pipelining",
     "220 hi\r\n",
     "250-mx\r\n250 CHUNKING\r\n",
     one,
     MAIL,
     {{"250 ok\r\n", RCPT_B}, {"250 ok\r\n", "BDAT 7 LAST\r\nhello\r\n"}, {"250 queued\r\n", ""}},
     {"ready", "ended 1: ok", "ready"}},

    {"421_to_mail",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"421 4.7.0 closing\r\n", ""}},
     {"ready", "ended 1: 4.7.0 message 421", "over message 4.7.0 message 421"}},
    {"421_to_a_recipient",
     "220 hi\r\n",
     "250 mx\r\n",
     two,
     MAIL,
     {{"250 ok\r\n", RCPT_B}, {"550 5.1.1 no\r\n", RCPT_C}, {"421 closing\r\n", ""}},
     {"ready", "ended 1: 5.1.1 recipient 550, 4.3.2 recipient 421",
      "over message 4.3.2 recipient 421"}},
    {"421_to_the_final_dot",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n354 go\r\n", "hello\r\n.\r\n"}, {"421 4.3.0 no\r\n", ""}},
     {"ready", "ended 1: 4.3.0 message 421", "over message 4.3.0 message 421"}},
    {"nonsense",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"what?\r\n", ""}},
     {"ready", "ended 1: 4.5.0 message", "over message 4.5.0 message"}},
    {"nonsense_to_the_final_dot",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n354 go\r\n", "hello\r\n.\r\n"}, {"ok\r\n", ""}},
     {"ready", "ended 1: 4.5.0 message; in doubt", "over message 4.5.0 message"}},
    {"3xx_to_the_final_dot",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n354 go\r\n", "hello\r\n.\r\n"}, {"354 more\r\n", ""}},
     {"ready", "ended 1: 4.5.0 message; in doubt", "over message 4.5.0 message"}},
    {"3xx_to_mail",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"354 go\r\n", ""}},
     {"ready", "ended 1: 4.5.0 message", "over message 4.5.0 message"}},
    {"2xx_to_data",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"250 ok\r\n", RCPT_B}, {"250 ok\r\n", "DATA\r\n"}, {"250 ok\r\n", ""}},
     {"ready", "ended 1: 4.5.0 message", "over message 4.5.0 message"}},
    {"a_reply_too_many",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"250 ok\r\n250 ok\r\n", ""}},
     {"ready", "ended 1: 4.5.0 recipient", "over message 4.5.0 recipient"}},
    {"a_reply_too_many_at_the_end",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n354 go\r\n", "hello\r\n.\r\n"}, {"250 ok\r\n250 ok\r\n", ""}},
     {"ready", "ended 1: ok", "ready", "over message 4.5.0 message"}},
    {"a_no_right_behind_354_counts_and_the_body_stays_here",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n354 go\r\n552 5.3.4 too large\r\n", ""}},
     {"ready", "ended 1: 5.3.4 message 552", "over message 5.3.4 message 552"}},
    {"a_no_right_behind_354_without_pipelining",
     "220 hi\r\n",
     "250 mx\r\n",
     one,
     MAIL,
     {{"250 ok\r\n", RCPT_B}, {"250 ok\r\n", "DATA\r\n"}, {"354 go\r\n452 4.3.1 full\r\n", ""}},
     {"ready", "ended 1: 4.3.1 message 452", "over message 4.3.1 message 452"}},
    {"a_yes_before_the_final_dot_is_none",
     "220 hi\r\n",
     pipelining,
     one,
     MAIL RCPT_B "DATA\r\n",
     {{"250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n", ""}},
     {"ready", "ended 1: 4.5.0 message", "over message 4.5.0 message"}},
};

class ClientSessionDialogue : public testing::TestWithParam<Dialogue> {
protected:
    static void play(std::size_t piece_bytes) {
        const auto& test = GetParam();
        ClientDialogue dialogue({}, piece_bytes);
        EXPECT_EQ(dialogue.pump(), "");
        EXPECT_EQ(dialogue.says(test.greeting), "EHLO mx.us.example\r\n");
        EXPECT_EQ(dialogue.says(test.ehlo_reply), "");
        ASSERT_TRUE(dialogue.session.can_start());
        EXPECT_EQ(dialogue.start(transaction_for(test.recipients)), test.first_words);
        for (const auto& step : test.steps) {
            EXPECT_EQ(dialogue.says(step.server), step.client) << "after: " << step.server;
        }
        EXPECT_EQ(dialogue.take_events(), test.events);
    }
};

TEST_P(ClientSessionDialogue, goes_as_written) { play(SIZE_MAX); }
TEST_P(ClientSessionDialogue, goes_the_same_one_byte_at_a_time) { play(1); }

INSTANTIATE_TEST_SUITE_P(, ClientSessionDialogue, testing::ValuesIn(dialogues),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- Greeting and EHLO ----

struct HelloCase {
    const char* name;
    std::vector<ClientDialogue::Step> steps;
    std::vector<std::string> events;
};

const HelloCase hello_cases[] = {
    {"helo_where_ehlo_is_unknown",
     {{"220 hi\r\n", "EHLO mx.us.example\r\n"},
      {"500 what?\r\n", "HELO mx.us.example\r\n"},
      {"250 hi\r\n", ""}},
     {"ready"}},
    {"helo_where_ehlo_is_refused_for_another_reason",
     {{"220 hi\r\n", "EHLO mx.us.example\r\n"},
      {"550 what?\r\n", "HELO mx.us.example\r\n"},
      {"250 hi\r\n", ""}},
     {"ready"}},
    {"helo_refused_too",
     {{"220 hi\r\n", "EHLO mx.us.example\r\n"},
      {"502 what?\r\n", "HELO mx.us.example\r\n"},
      {"550 5.7.1 go away\r\n", "QUIT\r\n"}},
     {"over failed 4.7.1 host 550"}},
    {"ehlo_deferred",
     {{"220 hi\r\n", "EHLO mx.us.example\r\n"}, {"450 later\r\n", "QUIT\r\n"}},
     {"over failed 4.0.0 host 450"}},
    {"greeting_554", {{"554 5.7.1 not you\r\n", "QUIT\r\n"}}, {"over failed 4.7.1 host 554"}},
    {"greeting_521", {{"521 no mail\r\n", "QUIT\r\n"}}, {"over failed 4.3.2 host 521"}},
    {"greeting_421", {{"421 busy\r\n", ""}}, {"over failed 4.3.2 host 421"}},
    {"greeting_of_several_lines",
     {{"220-hi\r\n220-no spam\r\n220 mx\r\n", "EHLO mx.us.example\r\n"}, {"250 mx\r\n", ""}},
     {"ready"}},
    {"greeting_of_another_protocol", {{"SSH-2.0-OpenSSH\r\n", ""}}, {"over failed 4.5.0 host"}},
    {"two_greetings", {{"220 hi\r\n220 hi\r\n", ""}}, {"over failed 4.5.0 host"}},
    {"354_greeting", {{"354 hi\r\n", "QUIT\r\n"}}, {"over failed 4.5.0 host"}},
};

TEST(ClientSession, goes_through_greeting_and_ehlo) {
    for (const auto& test : hello_cases) {
        for (const std::size_t piece : {std::size_t{1}, SIZE_MAX}) {
            ClientDialogue dialogue({}, piece);
            for (const auto& step : test.steps) {
                EXPECT_EQ(dialogue.says(step.server), step.client) << test.name;
            }
            EXPECT_EQ(dialogue.take_events(), test.events) << test.name;
        }
    }
}

TEST(ClientSession, says_helo_at_once_where_ehlo_is_off) {
    ClientDialogue dialogue({.ehlo = false});
    EXPECT_EQ(dialogue.says("220 hi\r\n"), "HELO mx.us.example\r\n");
    dialogue.says("250-mx\r\n250 PIPELINING\r\n");
    EXPECT_EQ(dialogue.session.capabilities(), Capabilities{});
    EXPECT_EQ(dialogue.start(transaction_for()), MAIL);
}

TEST(ClientSession, a_host_that_hangs_up_before_ready_has_failed) {
    ClientDialogue at_greeting;
    at_greeting.closes("connection reset by peer");
    EXPECT_THAT(at_greeting.take_events(), ElementsAre("over failed 4.4.2 host"));
    EXPECT_THAT(at_greeting.over[0].error.text, HasSubstr("reset by peer"));
    EXPECT_FALSE(at_greeting.session.was_ready());

    ClientDialogue at_ehlo({.ehlo_name = "mx.us.example", .remote = "mx1.them.example"});
    at_ehlo.says("220 hi\r\n250-m");
    at_ehlo.closes();
    EXPECT_THAT(at_ehlo.take_events(), ElementsAre("over failed 4.4.2 host"));
    EXPECT_EQ(at_ehlo.over[0].error.remote, "mx1.them.example");
}

TEST(ClientSession, extensions_are_not_used_where_they_are_switched_off) {
    ClientDialogue dialogue({.without = {SmtpKeyword::pipelining, SmtpKeyword::chunking}});
    dialogue.greets(chunking);
    EXPECT_EQ(dialogue.start(transaction_for()), MAIL);
    EXPECT_EQ(dialogue.says("250 ok\r\n"), RCPT_B);
    EXPECT_EQ(dialogue.says("250 ok\r\n"), "DATA\r\n");
}

// ---- Bodies ----

TEST(ClientSession, dots_are_stuffed_for_data_and_not_for_bdat) {
    for (const auto& [ehlo_reply, want] :
         {std::pair{pipelining, "..\r\nMAIL FROM:<x@y>\r\n...\r\n.\r\n"},
          std::pair{chunking, MAIL RCPT_B "BDAT 24 LAST\r\n.\r\nMAIL FROM:<x@y>\r\n..\r\n"}}) {
        ClientDialogue dialogue;
        dialogue.greets(ehlo_reply);
        auto said = dialogue.start(transaction_for(one, ".\r\nMAIL FROM:<x@y>\r\n..\r\n"));
        if (ehlo_reply == pipelining) said = dialogue.says("250 a\r\n250 b\r\n354 go\r\n");
        EXPECT_EQ(said, want);
    }
}

TEST(ClientSession, pulls_a_large_body_after_354) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    EXPECT_EQ(dialogue.start(pulled_transaction_for()), MAIL RCPT_B "DATA\r\n");
    EXPECT_EQ(dialogue.session.wants_body(), 0u);
    EXPECT_EQ(dialogue.says("250 ok\r\n250 ok\r\n354 go\r\n"), "");
    EXPECT_EQ(dialogue.session.wants_body(), 1u);
    EXPECT_EQ(dialogue.body("one\r", false), "one");
    EXPECT_EQ(dialogue.body("\n.two\r\n", false), "\r\n..two\r\n");
    EXPECT_FALSE(dialogue.session.can_start());
    EXPECT_EQ(dialogue.body("", true), ".\r\n");
    EXPECT_EQ(dialogue.session.wants_body(), 0u);
    dialogue.says("250 queued\r\n");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready", "ended 1: ok", "ready"));
    EXPECT_EQ(dialogue.ended[0].reply, "queued");
    EXPECT_EQ(dialogue.ended[0].reply_code, 250);
}

TEST(ClientSession, pulls_a_large_body_in_chunks_of_which_few_are_unanswered) {
    ClientDialogue dialogue;
    dialogue.greets(chunking);
    EXPECT_EQ(dialogue.start(pulled_transaction_for()), MAIL RCPT_B);
    EXPECT_EQ(dialogue.session.wants_body(), 0u);
    dialogue.says("250 ok\r\n250 ok\r\n");
    for (int i = 0; i < 4; ++i) EXPECT_EQ(dialogue.body("1234", false), "BDAT 4\r\n1234");
    EXPECT_EQ(dialogue.session.wants_body(), 0u);
    dialogue.says("250 4 octets\r\n");
    EXPECT_EQ(dialogue.body("5", false), "BDAT 1\r\n5");
    dialogue.says("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n");
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 3min);
    ASSERT_EQ(dialogue.session.wants_body(), 1u);
    EXPECT_EQ(dialogue.body("\r", false), "");  // held back: no empty chunk
    EXPECT_EQ(dialogue.body("\n", true), "BDAT 2 LAST\r\n\r\n");
    dialogue.says("250 queued\r\n");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready", "ended 1: ok", "ready"));
}

TEST(ClientSession, stops_at_a_refused_chunk_and_resets) {
    ClientDialogue dialogue;
    dialogue.greets(chunking);
    dialogue.start(pulled_transaction_for(two));
    dialogue.says("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n");
    dialogue.body("1234", false);
    dialogue.body("5678", false);
    dialogue.says("552 5.3.4 too large\r\n");
    EXPECT_EQ(dialogue.session.wants_body(), 0u);
    dialogue.session.body(dialogue.now, 1, "late", true);
    EXPECT_EQ(dialogue.pump(), "");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready"));
    dialogue.says("503 5.5.1 no\r\n");
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ended 1: 5.3.4 message 552, 5.1.1 recipient 550", "ready"));
    EXPECT_EQ(dialogue.start(pulled_transaction_for()), "RSET\r\n" MAIL RCPT_B);
}

TEST(ClientSession, does_not_pull_a_body_without_an_accepted_recipient) {
    ClientDialogue dialogue;
    dialogue.greets(chunking);
    dialogue.start(pulled_transaction_for());
    EXPECT_EQ(dialogue.says("250 ok\r\n550 5.1.1 no\r\n"), "");
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 5.1.1 recipient 550", "ready"));
}

TEST(ClientSession, a_late_piece_of_an_ended_transaction_is_dropped) {
    ClientDialogue dialogue;
    dialogue.greets("250 mx\r\n");
    dialogue.start(pulled_transaction_for());
    dialogue.says("550 no\r\n");
    dialogue.start(pulled_transaction_for());
    dialogue.says("250 ok\r\n");
    dialogue.says("250 ok\r\n");
    dialogue.says("354 go\r\n");
    dialogue.session.body(dialogue.now, 1, "wrong", true);
    EXPECT_EQ(dialogue.pump(), "");
    EXPECT_EQ(dialogue.session.wants_body(), 2u);
}

TEST(ClientSession, a_no_in_the_middle_of_the_body_counts_and_ends_the_session) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(pulled_transaction_for());
    dialogue.says("250 ok\r\n250 ok\r\n354 go\r\n");
    dialogue.body("much\r\n", false);
    dialogue.says("552 5.3.4 too large\r\n");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready", "ended 1: 5.3.4 message 552",
                                                    "over message 5.3.4 message 552"));
    dialogue.session.body(dialogue.now, 1, "late", true);
    EXPECT_EQ(dialogue.pump(), "");
}

// ---- Reuse ----

TEST(ClientSession, carries_many_messages_without_rset) {
    ClientDialogue dialogue;
    dialogue.greets("250 mx\r\n");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(dialogue.start(transaction_for()), MAIL);
        EXPECT_EQ(dialogue.says("250 ok\r\n"), RCPT_B);
        EXPECT_EQ(dialogue.says("250 ok\r\n"), "DATA\r\n");
        EXPECT_EQ(dialogue.says("354 ok\r\n"), "hello\r\n.\r\n");
        EXPECT_EQ(dialogue.says(i == 1 ? "550 no\r\n" : "250 ok\r\n"), "");
    }
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: ok", "ready", "ended 2: 5.0.0 message 550", "ready",
                            "ended 3: ok", "ready"));
}

TEST(ClientSession, says_rset_only_where_the_server_is_in_the_middle_of_a_transaction) {
    struct Case {
        std::vector<std::string_view> replies;
        bool needs_reset;
    };
    const Case cases[] = {
        {{"550 no\r\n"}, false},
        {{"250 ok\r\n", "550 no\r\n"}, true},
        {{"250 ok\r\n", "250 ok\r\n", "451 no\r\n"}, true},
        {{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "550 no\r\n"}, false},
        {{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"}, false},
    };
    for (const auto& test : cases) {
        ClientDialogue dialogue;
        dialogue.greets("250 mx\r\n");
        dialogue.start(transaction_for());
        for (const auto reply : test.replies) dialogue.says(reply);
        EXPECT_EQ(dialogue.start(transaction_for()), test.needs_reset ? "RSET\r\n" : MAIL);
        if (!test.needs_reset) continue;
        EXPECT_EQ(dialogue.says("250 reset\r\n"), MAIL);
    }
}

TEST(ClientSession, a_refused_rset_is_charged_to_nothing_and_needs_a_new_connection) {
    for (const auto reply : {"500 what?\r\n", "450 not now\r\n", "354 what?\r\n"}) {
        ClientDialogue dialogue;
        dialogue.greets(pipelining);
        dialogue.start(transaction_for());
        dialogue.says("250 ok\r\n550 5.1.1 no\r\n554 no\r\n");
        EXPECT_EQ(dialogue.start(transaction_for()), "RSET\r\n" MAIL RCPT_B "DATA\r\n");
        dialogue.take_events();
        EXPECT_EQ(dialogue.says(reply), "QUIT\r\n");
        const auto events = dialogue.take_events();
        ASSERT_EQ(events.size(), 2u);
        EXPECT_THAT(events[0], HasSubstr("never began"));
        EXPECT_THAT(events[1], HasSubstr("over idle_closed"));
        EXPECT_EQ(dialogue.ended.back().suspect, std::nullopt);
    }
}

TEST(ClientSession, a_refused_rset_in_front_of_a_whole_message_leaves_it_to_the_reply_to_mail) {
    for (const bool is_taken : {true, false}) {
        ClientDialogue dialogue;
        dialogue.greets(chunking);
        dialogue.start(transaction_for());
        dialogue.start(transaction_for({"c@them.example"}));
        dialogue.says("250 a\r\n250 b\r\n554 5.6.0 virus\r\n");
        dialogue.take_events();
        dialogue.says("500 what?\r\n");
        EXPECT_THAT(dialogue.take_events(), IsEmpty());
        if (is_taken) {
            dialogue.says("250 a\r\n250 b\r\n250 c\r\n");
            EXPECT_THAT(dialogue.take_events(), ElementsAre("ended 2: ok", "ready"));
        } else {
            dialogue.says("503 nested\r\n503 no\r\n503 no\r\n");
            const auto events = dialogue.take_events();
            ASSERT_EQ(events.size(), 2u);
            EXPECT_THAT(events[0], HasSubstr("never began"));
            EXPECT_THAT(events[1], HasSubstr("over idle_closed"));
        }
    }
}

TEST(ClientSession, the_next_mail_leaves_with_the_final_dot) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    EXPECT_FALSE(dialogue.session.can_start());
    dialogue.session.on_bytes(dialogue.now, "250 a\r\n250 b\r\n354 go\r\n");
    ASSERT_TRUE(dialogue.session.can_start());
    dialogue.session.start(dialogue.now, transaction_for({"c@them.example"}, "bye\r\n"));
    EXPECT_FALSE(dialogue.session.can_start());
    EXPECT_EQ(dialogue.pump(), "hello\r\n.\r\n" MAIL RCPT_C "DATA\r\n");
    EXPECT_EQ(dialogue.says("250 first\r\n"), "");
    EXPECT_EQ(dialogue.says("250 ok\r\n250 ok\r\n354 go\r\n"), "bye\r\n.\r\n");
    EXPECT_TRUE(dialogue.session.can_start());
    dialogue.says("250 second\r\n");
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: ok", "ended 2: ok", "ready"));
    EXPECT_EQ(dialogue.ended[0].reply, "first");
    EXPECT_EQ(dialogue.ended[1].reply, "second");
}

TEST(ClientSession, starting_the_next_does_not_prolong_the_wait_for_the_last) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 go\r\n");
    dialogue.now += 4min;
    dialogue.start(transaction_for());
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 6min);
}

TEST(ClientSession, without_pipelining_the_next_waits_for_the_final_reply) {
    ClientDialogue dialogue;
    dialogue.greets("250 mx\r\n");
    dialogue.start(transaction_for());
    for (const char* reply : {"250 a\r\n", "250 b\r\n", "354 c\r\n"}) dialogue.says(reply);
    EXPECT_FALSE(dialogue.session.can_start());
    dialogue.says("250 d\r\n");
    EXPECT_TRUE(dialogue.session.can_start());
}

TEST(ClientSession, a_refused_final_dot_does_not_touch_the_transaction_behind_it) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 go\r\n");
    dialogue.start(transaction_for({"c@them.example"}));
    EXPECT_EQ(dialogue.says("554 5.6.0 virus\r\n250 ok\r\n250 ok\r\n354 go\r\n"), "hello\r\n.\r\n");
    dialogue.says("250 ok\r\n");
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 5.6.0 message 554", "ended 2: ok", "ready"));
}

TEST(ClientSession, behind_bdat_the_next_transaction_begins_with_rset) {
    ClientDialogue dialogue;
    dialogue.greets(chunking);
    dialogue.start(transaction_for());
    ASSERT_TRUE(dialogue.session.can_start());
    EXPECT_EQ(dialogue.start(transaction_for({"c@them.example"})),
              "RSET\r\n" MAIL RCPT_C "BDAT 7 LAST\r\nhello\r\n");
    EXPECT_FALSE(dialogue.session.can_start());
    dialogue.says("250 a\r\n250 b\r\n554 5.6.0 virus\r\n250 reset\r\n250 a\r\n250 b\r\n250 c\r\n");
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 5.6.0 message 554", "ended 2: ok", "ready"));
    EXPECT_EQ(dialogue.start(transaction_for()), MAIL RCPT_B "BDAT 7 LAST\r\nhello\r\n");
}

TEST(ClientSession, a_transaction_answered_without_the_server_ends_in_its_turn) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 go\r\n");
    auto international = transaction_for();
    international.envelope.reverse_path = "\xc3\xbc@us.example";
    EXPECT_EQ(dialogue.start(international), "");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready"));
    dialogue.says("250 ok\r\n");
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ended 1: ok", "ended 2: 4.6.7 message", "ready"));
}

TEST(ClientSession, what_cannot_be_said_is_not_said) {
    ClientDialogue dialogue({.ehlo_name = "mx.us.example", .remote = "mx1.them.example"});
    dialogue.greets("250-mx\r\n250 SIZE 100\r\n");
    auto large = transaction_for();
    large.facts.size = 101;
    EXPECT_EQ(dialogue.start(large), "");
    EXPECT_EQ(dialogue.start(transaction_for({"b@them.example\r\nDATA"})), "");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ready", "ended 1: 5.3.4 message", "ready",
                                                    "ended 2: 5.1.3 recipient", "ready"));
    EXPECT_EQ(dialogue.ended[0].recipients[0].error().remote, "mx1.them.example");
    EXPECT_EQ(dialogue.ended[1].recipients[0].error().remote, "mx1.them.example");

    EXPECT_EQ(dialogue.start(transaction_for({"x y@z", "b@them.example"})),
              "MAIL FROM:<a@us.example> SIZE=7\r\n");
    EXPECT_EQ(dialogue.says("250 ok\r\n"), RCPT_B);
    EXPECT_EQ(dialogue.says("250 ok\r\n"), "DATA\r\n");
    dialogue.says("354 go\r\n");
    dialogue.says("250 ok\r\n");
    EXPECT_THAT(dialogue.take_events(), ElementsAre("ended 3: 5.1.3 recipient, ok", "ready"));
}

TEST(ClientSession, carries_no_more_transactions_than_mailmax) {
    ClientDialogue dialogue;
    dialogue.greets("250-mx\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=2 RCPTMAX=7\r\n");
    EXPECT_EQ(dialogue.session.capabilities().recipients_max, 7u);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(dialogue.session.can_start());
        dialogue.start(transaction_for());
        dialogue.says("550 no\r\n503 no\r\n503 no\r\n");
    }
    EXPECT_FALSE(dialogue.session.can_start());
}

TEST(ClientSession, reports_whether_the_dsn_parameters_were_passed_on) {
    for (const bool offered : {false, true}) {
        ClientDialogue dialogue;
        dialogue.greets(offered ? "250-mx\r\n250 DSN\r\n" : "250 mx\r\n");
        dialogue.start(transaction_for());
        for (const char* reply : {"250 a\r\n", "250 b\r\n", "354 c\r\n", "250 d\r\n"}) {
            dialogue.says(reply);
        }
        EXPECT_EQ(dialogue.ended.at(0).dsn_passed_on, offered);
    }
}

// ---- Time ----

struct TimeCase {
    const char* name;
    std::string_view ehlo_reply;
    int replies;  // of those below, before silence
    Millis want;
    std::vector<std::string> events;
};

constexpr std::string_view slow_replies[] = {"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n",
                                             "354 e\r\n"};
const TimeCase time_cases[] = {
    {"greeting", "250 mx\r\n", 0, 5min, {"over failed 4.4.2 host"}},
    {"ehlo", "250 mx\r\n", 1, 5min, {"over failed 4.4.2 host"}},
    {"mail",
     "250 mx\r\n",
     2,
     5min,
     {"ready", "ended 1: 4.4.2 message", "over message 4.4.2 message"}},
    {"rcpt",
     "250 mx\r\n",
     3,
     5min,
     {"ready", "ended 1: 4.4.2 recipient", "over message 4.4.2 recipient"}},
    {"data",
     "250 mx\r\n",
     4,
     2min,
     {"ready", "ended 1: 4.4.2 message", "over message 4.4.2 message"}},
    {"final_dot",
     "250 mx\r\n",
     5,
     10min,
     {"ready", "ended 1: 4.4.2 message; in doubt", "over message 4.4.2 message"}},
};

TEST(ClientSession, waits_as_long_as_the_rfc_says) {
    for (const auto& test : time_cases) {
        ClientDialogue dialogue;
        for (int i = 0; i < test.replies; ++i) {
            dialogue.now += 1s;
            dialogue.says(slow_replies[i]);
            if (i == 1) dialogue.start(transaction_for());
        }
        // A byte now and then does not prolong the wait.
        dialogue.now += 1s;
        dialogue.says("2");
        EXPECT_EQ(dialogue.waits() + 1s, test.want) << test.name;
        EXPECT_EQ(dialogue.take_events(), test.events) << test.name;
        EXPECT_FALSE(dialogue.session.deadline());
        EXPECT_TRUE(dialogue.session.has_ended());
    }
}

TEST(ClientSession, each_pipelined_reply_has_its_own_time) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    EXPECT_FALSE(dialogue.session.deadline());  // the pool limits how long a connection is idle
    dialogue.start(transaction_for());
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 5min);
    dialogue.now += 4min;
    dialogue.says("250 a\r\n");
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 5min);
    dialogue.now += 4min;
    dialogue.says("250 b\r\n");
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 2min);
    dialogue.says("354 c\r\n");
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 10min);
    dialogue.says("250 d\r\n");
    EXPECT_FALSE(dialogue.session.deadline());
}

TEST(ClientSession, a_body_must_make_progress) {
    ClientDialogue dialogue;
    dialogue.greets(pipelining);
    dialogue.start(pulled_transaction_for());
    dialogue.says("250 a\r\n250 b\r\n354 c\r\n");
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 3min);
    dialogue.now += 2min;
    dialogue.body("x", false);
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 3min);
    EXPECT_EQ(dialogue.waits(), 3min);
    EXPECT_THAT(dialogue.take_events(),
                ElementsAre("ready", "ended 1: 4.4.2 message", "over message 4.4.2 message"));
}

TEST(ClientSession, waits_shorter_for_rset_and_for_quit) {
    ClientDialogue dialogue;
    dialogue.greets("250 mx\r\n");
    dialogue.start(transaction_for());
    dialogue.says("250 a\r\n");
    dialogue.says("550 b\r\n");
    dialogue.start(transaction_for());
    EXPECT_EQ(dialogue.session.deadline(), dialogue.now + 20s);
    dialogue.says("250 reset\r\n");
    dialogue.says("550 c\r\n");
    dialogue.session.quit(dialogue.now);
    EXPECT_EQ(dialogue.pump(), "QUIT\r\n");
    EXPECT_EQ(dialogue.waits(), 5s);
    EXPECT_EQ(dialogue.take_events().back(), "over quit");
}

}  // namespace
}  // namespace mta::smtp
