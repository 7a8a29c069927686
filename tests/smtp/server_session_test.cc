#include "mta/smtp/server/server_session.h"

#include <ostream>
#include <regex>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;
using namespace std::literals;
using test::ServerWorld;
using EndReason = server_event::EndReason;

const std::string ehlo = "EHLO client.example\r\n";
const std::string mail = "MAIL FROM:<a@them.example>\r\n";
const std::string rcpt = "RCPT TO:<b@us.example>\r\n";
const std::string text = "Subject: x\r\n\r\nhello\r\n";

// "250 2.1.0 sender ok\r\n250 ..." -> "250 2.1.0,250": what a program reads. A line "250-..." is
// left out: only the last one of a reply counts.
std::string codes(std::string_view said) {
    std::string out;
    while (!said.empty()) {
        const auto line = said.substr(0, said.find("\r\n"));
        said.remove_prefix(line.size() + 2);
        if (line.size() > 3 && line[3] == '-') continue;
        if (!out.empty()) out += ',';
        out += line.substr(0, 3);
        auto rest = line.substr(4);
        if (const auto status = take_enhanced_status(rest)) out += ' ' + to_string(*status);
    }
    return out;
}

struct Step {
    std::string client;
    std::string server;  // codes()
};
struct Dialogue {
    const char* name;
    std::vector<Step> steps;  // after the banner
    std::size_t accepted = 0;
    friend void PrintTo(const Dialogue& dialogue, std::ostream* out) { *out << dialogue.name; }
};

const std::string sender_ok = "250 2.1.0";
const std::string recipient_ok = "250 2.1.5";
const std::string done = "250 2.0.0";

const Dialogue dialogues[] = {
    {"a_message",
     {{ehlo, "250"},
      {mail, sender_ok},
      {rcpt, recipient_ok},
      {"DATA\r\n", "354"},
      {text + ".\r\n", done},
      {"QUIT\r\n", "221 2.0.0"}},
     1},
    {"a_message_with_helo",
     {{"HELO client\r\n", "250"},
      {mail, sender_ok},
      {rcpt, recipient_ok},
      {"DATA\r\n", "354"},
      {text + ".\r\n", done}},
     1},
    {"any_case_and_spaces",
     {{"ehlo x\r\n", "250"},
      {"mail from: <a@them.example>  \r\n", sender_ok},
      {"Rcpt  To:<b@us.example> \r\n", recipient_ok},
      {"data \r\n", "354"},
      {".\r\n", done}},
     1},
    {"pipelined_groups",
     {{ehlo, "250"},
      {mail + rcpt + rcpt + "DATA\r\n", "250 2.1.0,250 2.1.5,250 2.1.5,354"},
      {text + ".\r\n" + mail + rcpt + "DATA\r\n", "250 2.0.0,250 2.1.0,250 2.1.5,354"},
      {text + ".\r\nRSET\r\n" + mail + "QUIT\r\n", "250 2.0.0,250 2.0.0,250 2.1.0,221 2.0.0"}},
     2},
    {"mail_needs_ehlo", {{mail, "503 5.5.1"}, {ehlo, "250"}, {mail, sender_ok}}},
    {"rcpt_needs_mail", {{ehlo, "250"}, {rcpt, "503 5.5.1"}}},
    {"data_needs_mail", {{ehlo, "250"}, {"DATA\r\n", "503 5.5.1"}}},
    {"data_needs_rcpt",
     {{ehlo, "250"}, {mail, sender_ok}, {"DATA\r\n", "503 5.5.1"}, {rcpt, recipient_ok}}},
    {"mail_twice", {{ehlo, "250"}, {mail, sender_ok}, {mail, "503 5.5.1"}, {rcpt, recipient_ok}}},
    {"ehlo_again_resets",
     {{ehlo, "250"}, {mail, sender_ok}, {ehlo, "250"}, {rcpt, "503 5.5.1"}, {mail, sender_ok}}},
    {"helo_again_resets",
     {{ehlo, "250"}, {mail, sender_ok}, {"HELO x\r\n", "250"}, {rcpt, "503 5.5.1"}}},
    {"rset_resets",
     {{ehlo, "250"},
      {mail + rcpt, "250 2.1.0,250 2.1.5"},
      {"RSET\r\n", done},
      {"DATA\r\n", "503 5.5.1"}}},
    {"rset_before_ehlo", {{"RSET\r\n", done}}},
    {"a_name_that_means_nothing", {{"EHLO !!\r\n", "250"}, {mail, sender_ok}}},
    {"ehlo_needs_a_name", {{"EHLO\r\n", "501 5.5.4"}, {"HELO \r\n", "501 5.5.4"}}},
    {"relaying_is_denied",
     {{ehlo, "250"},
      {mail, sender_ok},
      {"RCPT TO:<x@elsewhere.example>\r\n", "550 5.7.1"},
      {"DATA\r\n", "554 5.5.1"}}},
    {"some_recipients_refused",
     {{ehlo, "250"},
      {mail + "RCPT TO:<x@elsewhere.example>\r\n" + rcpt + "DATA\r\n",
       "250 2.1.0,550 5.7.1,250 2.1.5,354"},
      {".\r\n", done}},
     1},
    {"postmaster_without_a_domain",
     {{ehlo, "250"}, {mail, sender_ok}, {"RCPT TO:<PostMaster>\r\n", recipient_ok}}},
    {"small_commands",
     {{ehlo, "250"},
      {"NOOP\r\n", done},
      {"NOOP what ever\r\n", done},
      {"HELP\r\n", "214 2.0.0"},
      {"VRFY someone\r\n", "252 2.0.0"},
      {"VRFY\r\n", "501 5.5.4"},
      {"EXPN list\r\n", "502 5.5.1"},
      {"ETRN us.example\r\n", "502 5.5.1"},
      {"STARTTLS\r\n", "502 5.5.1"},
      {"AUTH PLAIN AGEAYg==\r\n", "502 5.5.1"},
      {"WHAT\r\n", "500 5.5.1"},
      {"\r\n", "500 5.5.1"},
      {"DATA now\r\n", "501 5.5.4"},
      {"RSET now\r\n", "501 5.5.4"},
      {"QUIT now\r\n", "501 5.5.4"}}},
    {"declared_size_too_large",
     {{ehlo, "250"},
      {"MAIL FROM:<> SIZE=50000001\r\n", "552 5.3.4"},
      {"MAIL FROM:<> SIZE=99999999999999999999\r\n", "552 5.3.4"},
      {"MAIL FROM:<> SIZE=50000000\r\n", sender_ok}}},
    {"utf8_addresses",
     {{ehlo, "250"},
      {"MAIL FROM:<ü@them.example>\r\n", "553 5.6.7"},
      {mail, sender_ok},
      {"RCPT TO:<ü@us.example>\r\n", "553 5.6.7"},
      {"RSET\r\n", done},
      {"MAIL FROM:<ü@bücher.example> SMTPUTF8\r\n", sender_ok},
      {"RCPT TO:<ü@us.example>\r\n", recipient_ok}}},
    {"a_failed_command_keeps_the_transaction",
     {{ehlo, "250"},
      {mail, sender_ok},
      {"RCPT TO:b@us.example\r\n", "501 5.1.3"},
      {rcpt + "DATA\r\n", "250 2.1.5,354"},
      {".\r\n", done}},
     1},
    // BDAT (RFC 3030).
    {"one_chunk",
     {{ehlo, "250"}, {mail + rcpt + "BDAT 5 LAST\r\na\r\nb\n", "250 2.1.0,250 2.1.5,554 5.6.0"}}},
    {"chunks",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\n" + mail,
       "250 2.1.0,250 2.1.5,250 2.0.0,250 2.0.0,250 2.1.0"}},
     1},
    {"an_empty_last_chunk",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 3\r\na\r\nBDAT 0\r\nBDAT 0 LAST\r\n",
       "250 2.1.0,250 2.1.5,250 2.0.0,250 2.0.0,250 2.0.0"}},
     1},
    {"only_an_empty_last_chunk",
     {{ehlo, "250"}, {mail + rcpt + "bdat 0 last\r\n", "250 2.1.0,250 2.1.5,250 2.0.0"}},
     1},
    {"a_chunk_is_never_a_command",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 2.1.0,250 2.1.5,250 2.0.0,250 2.0.0"}},
     1},
    {"a_chunk_without_mail_is_swallowed",
     {{ehlo, "250"},
      {"BDAT 6 LAST\r\nQUIT\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n", "503 5.5.1,503 5.5.1,250 2.0.0"}}},
    {"a_chunk_without_recipients_is_swallowed",
     {{ehlo, "250"},
      {mail + "BDAT 6\r\nQUIT\r\n", "250 2.1.0,503 5.5.1"},
      {"RCPT TO:<x@elsewhere.example>\r\nBDAT 6 LAST\r\nQUIT\r\n", "550 5.7.1,554 5.5.1"},
      {mail, sender_ok}}},
    {"data_after_bdat",
     {{ehlo, "250"},
      {mail + rcpt + "RCPT TO:<x@elsewhere.example>\r\nBDAT 3\r\na\r\nDATA\r\n",
       "250 2.1.0,250 2.1.5,550 5.7.1,250 2.0.0,503 5.5.1"},
      {rcpt, "503 5.5.1"},
      {mail, "503 5.5.1"},
      {"BDAT 0 LAST\r\n", done}},
     1},
    {"after_a_failed_chunk_all_are_refused_until_rset",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 6\r\na\nb\r\n\nBDAT 6\r\nQUIT\r\nDATA\r\n",
       "250 2.1.0,250 2.1.5,554 5.6.0,503 5.5.1,503 5.5.1"},
      {"BDAT 6\r\nQUIT\r\nRSET\r\n" + mail + rcpt + "BDAT 3 LAST\r\na\r\n",
       "503 5.5.1,250 2.0.0,250 2.1.0,250 2.1.5,250 2.0.0"}},
     1},
    {"a_failed_chunk_and_the_last_one",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 2\r\n\na" + "BDAT 6 LAST\r\nQUIT\r\n" + mail,
       "250 2.1.0,250 2.1.5,554 5.6.0,503 5.5.1,250 2.1.0"}}},
    {"rset_between_chunks",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 3\r\na\r\nRSET\r\nBDAT 3 LAST\r\nb\r\n",
       "250 2.1.0,250 2.1.5,250 2.0.0,250 2.0.0,503 5.5.1"}}},
    {"a_crlf_cut_by_chunks",
     {{ehlo, "250"},
      {mail + rcpt + "BDAT 2\r\na\rBDAT 1 LAST\r\n\n", "250 2.1.0,250 2.1.5,250 2.0.0,250 2.0.0"}},
     1},
};

class ServerDialogue : public testing::TestWithParam<Dialogue> {};

TEST_P(ServerDialogue, goes_as_written) {
    ServerWorld world;
    EXPECT_EQ(world.connect(), "220 relay.us.example ESMTP Posthouse\r\n");
    for (const auto& step : GetParam().steps) {
        EXPECT_EQ(codes(world.send(step.client)), step.server) << "after: " << step.client;
    }
    EXPECT_EQ(world.accepted.size(), GetParam().accepted);
}

TEST_P(ServerDialogue, goes_the_same_by_bytes) {
    ServerWorld world;
    world.connect();
    for (const auto& step : GetParam().steps) {
        EXPECT_EQ(codes(world.send_by_bytes(step.client)), step.server) << "after: " << step.client;
    }
    EXPECT_EQ(world.accepted.size(), GetParam().accepted);
}

INSTANTIATE_TEST_SUITE_P(, ServerDialogue, testing::ValuesIn(dialogues),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- What is said ----

TEST(ServerSession, says_at_mail_that_there_is_no_room_and_takes_mail_when_there_is) {
    ServerWorld world;
    world.greet();
    world.no_mail = ServerReply{452, {4, 3, 1}, "no room"};
    EXPECT_EQ(codes(world.send(mail + rcpt + "DATA\r\n")), "452 4.3.1,503 5.5.1,503 5.5.1");
    world.no_mail.reset();
    EXPECT_EQ(codes(world.send(mail + rcpt)), "250 2.1.0,250 2.1.5");
}

TEST(ServerSession, offers_what_it_has) {
    ServerWorld world;
    world.connect();
    EXPECT_EQ(world.send(ehlo),
              "250-relay.us.example\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n"
              "250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250 HELP\r\n");
    EXPECT_EQ(world.send("HELO x\r\n"), "250 relay.us.example\r\n");
}

TEST(ServerSession, answers_what_it_does_not_offer_as_unknown) {
    auto options = ServerWorld::default_options();
    options.extensions = {.smtputf8 = false, .dsn = false, .chunking = false};
    ServerWorld world(options);
    world.connect();
    EXPECT_EQ(world.send(ehlo),
              "250-relay.us.example\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n"
              "250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
    EXPECT_EQ(codes(world.send("MAIL FROM:<> SMTPUTF8\r\n")), "555 5.5.4");
    EXPECT_EQ(codes(world.send("MAIL FROM:<> RET=FULL\r\n")), "555 5.5.4");
    EXPECT_EQ(codes(world.send("MAIL FROM:<>\r\n")), "250 2.1.0");
    EXPECT_EQ(codes(world.send("RCPT TO:<b@us.example> NOTIFY=NEVER\r\n")), "555 5.5.4");
    // Its bytes may be on their way: they must not become commands.
    EXPECT_EQ(codes(world.send("BDAT 6 LAST\r\nQUIT\r\n")), "502 5.5.1");
    EXPECT_TRUE(world.ended);
}

TEST(ServerSession, puts_an_enhanced_code_on_each_line_but_banner_and_ehlo) {
    ServerWorld world;
    world.connect();
    world.send(ehlo);
    const auto said = world.send(mail + rcpt + "HELP\r\n" + "VRFY x\r\n") + world.send("WHAT\r\n");
    const std::regex line(R"((([245])\d\d[ -]\2\.\d+\.\d+ [ -~]*\r\n)+)");
    EXPECT_TRUE(std::regex_match(said, line)) << said;
}

TEST(ServerSession, hands_over_the_envelope_as_it_was_given) {
    ServerWorld world;
    world.greet();
    world.send(
        "MAIL FROM:<@route.example:a@them.example> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By "
        "SIZE=9\r\n"
        "RCPT TO:<\"b c\"@US.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@us.example\r\n"
        "RCPT TO:<postmaster>\r\nDATA\r\n");
    world.send(".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    const Envelope want{
        .reverse_path = "a@them.example",
        .recipients = {{.address = "\"b c\"@US.example",
                        .domain = "us.example",
                        .notify = notify_success | notify_delay,
                        .orcpt = "rfc822;b+2Bc@us.example"},
                       {.address = "postmaster@relay.us.example", .domain = "relay.us.example"}},
        .body_type = BodyType::eight_bit_mime,
        .smtputf8 = true,
        .ret = Ret::headers,
        .envid = "x+2By"};
    EXPECT_EQ(world.accepted[0].envelope, want);
}

TEST(ServerSession, puts_one_received_line_in_front) {
    ServerWorld world;
    world.begin_data();
    world.send(text + ".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    EXPECT_EQ(world.accepted[0].body,
              "Received: from client.example ([192.0.2.7])\r\n"
              "\tby relay.us.example (Posthouse) with ESMTP id 00001z\r\n"
              "\tfor <b@us.example>;\r\n"
              "\tSun, 22 Nov 2026 04:05:06 +0000\r\n" +
                  text);
}

TEST(ServerSession, does_not_disclose_recipients_to_each_other) {
    ServerWorld world;
    world.greet();
    world.send(mail + rcpt + "RCPT TO:<c@us.example>\r\nDATA\r\n");
    world.send(".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    EXPECT_EQ(world.accepted[0].body.find("for <"), std::string::npos);
}

TEST(ServerSession, needs_no_smtputf8_itself_for_a_domain_in_u_labels) {
    ServerWorld world;
    world.takes_all_recipients = true;
    world.connect();
    for (const auto& sent : {ehlo, "MAIL FROM:<ada@them.example> SMTPUTF8\r\n"s,
                             "RCPT TO:<bad@\xc3\xbc.example>\r\nDATA\r\n"s}) {
        world.send(sent);
    }
    world.send(text + ".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    const auto& message = world.accepted[0];
    EXPECT_EQ(message.envelope.recipients[0].address, "bad@\xc3\xbc.example")
        << "as it was written";
    EXPECT_FALSE(message.facts.header_has_8bit);
    EXPECT_FALSE(message.facts.has_8bit);
    EXPECT_TRUE(message.body.contains("\tfor <bad@xn--tda.example>;\r\n")) << message.body;
}

TEST(ServerSession, takes_a_recipient_that_is_named_several_times_once) {
    ServerWorld world;
    world.greet();
    world.send(mail + "RCPT TO:<b@us.example> NOTIFY=NEVER\r\n");
    for (const auto* again :
         {"RCPT TO:<b@US.example> NOTIFY=SUCCESS ORCPT=rfc822;first@us.example\r\n",
          "RCPT TO:<b@us.example> NOTIFY=FAILURE ORCPT=rfc822;x@us.example\r\n",
          "RCPT TO:<B@us.example>\r\n"}) {
        EXPECT_EQ(codes(world.send(again)), recipient_ok);
    }
    world.send("DATA\r\n");
    world.send(text + ".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    const std::vector<Recipient> want = {{.address = "b@us.example",
                                          .domain = "us.example",
                                          .notify = notify_success | notify_failure,
                                          .orcpt = "rfc822;first@us.example"},
                                         {.address = "B@us.example", .domain = "us.example"}};
    EXPECT_EQ(world.accepted[0].envelope.recipients, want);
}

TEST(ServerSession, counts_a_recipient_once_towards_the_limit_but_not_for_ever) {
    auto options = ServerWorld::default_options();
    options.recipients_max = 2;
    ServerWorld world(options);
    world.greet();
    world.send(mail + rcpt + rcpt + rcpt + "RCPT TO:<c@us.example>\r\n");
    EXPECT_EQ(codes(world.send("RCPT TO:<d@us.example>\r\n")), "452 4.5.3");
    EXPECT_EQ(codes(world.send(rcpt)), recipient_ok) << "it is no other one";
    std::string said;
    for (std::uint32_t i = 0; i < limits::excess_recipients_max && !world.ended; ++i) {
        said = world.send(rcpt);
    }
    EXPECT_EQ(codes(said), "421 4.7.0");
}

// A client that half-closes has sent everything and waits for the replies.
TEST(ServerSession, works_through_what_it_has_when_the_input_ends) {
    for (const bool quits : {true, false}) {
        ServerWorld world;
        world.stores_at_once = false;
        world.begin_data();
        world.send(text + ".\r\n" + mail + rcpt + (quits ? "QUIT\r\n" : "NOOP"));
        world.session.on_input_end(world.now);
        world.pump();
        EXPECT_FALSE(world.session.wants_input());
        EXPECT_FALSE(world.ended) << "the message has no answer yet";
        world.store();
        EXPECT_EQ(codes(world.take_said()), quits ? "250 2.0.0,250 2.1.0,250 2.1.5,221 2.0.0"
                                                  : "250 2.0.0,250 2.1.0,250 2.1.5");
        ASSERT_TRUE(world.ended);
        EXPECT_EQ(world.ended->reason, quits ? EndReason::quit : EndReason::lost);
    }
}

TEST(ServerSession, forgets_a_message_whose_end_never_comes) {
    for (const auto& unfinished : {"DATA\r\n"s, "BDAT 100\r\n"s, "BDAT 4\r\n"s}) {
        ServerWorld world;
        world.greet();
        world.send(mail + rcpt + unfinished);
        world.send("a\r\n.");
        world.session.on_input_end(world.now);
        world.pump();
        EXPECT_EQ(world.aborted.size(), 1U) << unfinished;
        EXPECT_TRUE(world.accepted.empty());
        EXPECT_TRUE(world.ended);
    }
}

TEST(ServerSession, ends_after_the_whole_body_when_the_input_ended_while_the_store_was_behind) {
    ServerWorld world;
    world.begin_data();
    const std::string long_line = std::string(998, 'x') + "\r\n";
    std::string body;
    while (body.size() < 2 * limits::body_chunk_bytes_max) body += long_line;
    world.send(body + ".\r\nQUIT\r\n");
    world.session.on_input_end(world.now);
    world.pump();
    EXPECT_FALSE(world.ended) << "the body has not been taken";
    std::string said;
    for (int i = 0; i < 10 && !world.ended; ++i) {
        static_cast<void>(world.session.take_body(world.now));
        world.pump();
        said += world.take_said();
    }
    EXPECT_EQ(codes(said), "250 2.0.0,221 2.0.0");
}

TEST(ServerSession, sends_postmasters_mail_where_the_options_say) {
    auto options = ServerWorld::default_options();
    options.postmaster = "admin@Office.example";
    ServerWorld world(options);
    world.greet();
    world.send(mail + "RCPT TO:<postmaster>\r\nDATA\r\n");
    world.send(".\r\n");
    ASSERT_EQ(world.accepted.size(), 1U);
    EXPECT_EQ(world.accepted[0].envelope.recipients[0].address, "admin@Office.example");
    EXPECT_EQ(world.accepted[0].envelope.recipients[0].domain, "office.example");
}

// nmap's smtp-open-relay, for a client that may not relay; "us.example" is ours, [192.0.2.1] is us.
TEST(ServerSession, is_no_open_relay) {
    const std::string_view recipients[] = {
        "<x@elsewhere.example>",
        "<\"x@elsewhere.example\">",
        "<\"x%elsewhere.example\">",
        "<x%elsewhere.example@[192.0.2.1]>",
        "<x%elsewhere.example@relay.example>",
        "<\"x@elsewhere.example\"@[192.0.2.1]>",
        "<x@elsewhere.example@[192.0.2.1]>",
        "<x@elsewhere.example@us.example>",
        "<@[192.0.2.1]:x@elsewhere.example>",
        "<@us.example:x@elsewhere.example>",
        "<@us.example,@relay.example:x@elsewhere.example>",
        "<elsewhere.example!x>",
        "<elsewhere.example!x@[192.0.2.1]>",
        "<elsewhere.example!x@relay.example>",
        "<x@us.example@elsewhere.example>",
        "<\"x@us.example\"@elsewhere.example>",
        "<\"x\"@us.example\"@elsewhere.example>",
        "<x@[192.0.2.1]>",
        "<x>",
        "x@elsewhere.example",
    };
    for (const auto recipient : recipients) {
        ServerWorld world;
        world.greet();
        world.send(mail);
        const auto said = codes(world.send("RCPT TO:" + std::string(recipient) + "\r\n"));
        EXPECT_TRUE(said == "550 5.7.1" || said == "501 5.1.3") << recipient << ": " << said;
        EXPECT_EQ(codes(world.send("DATA\r\n")).substr(0, 2),
                  "55"s.substr(0, 1) + said.substr(1, 1))
            << recipient;
        EXPECT_EQ(world.begun, 0U);
    }
}

// ---- Pipelining that was not allowed ----

struct Early {
    const char* name;
    std::string before;  // each answered before the next
    std::string bytes;   // arrive together
    std::string server;
};

const Early early_inputs[] = {
    {"behind_ehlo", "", ehlo + mail, "250,554 5.5.0"},
    {"behind_helo", "", "HELO x\r\n" + mail, "250,554 5.5.0"},
    {"behind_any_command_before_ehlo", "", "RSET\r\nRSET\r\n", "250 2.0.0,554 5.5.0"},
    {"behind_a_http_request", "", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "500 5.5.1,554 5.5.0"},
    {"behind_any_command_after_helo", "HELO x\r\n", mail + rcpt, "250 2.1.0,554 5.5.0"},
    {"behind_noop", ehlo, "NOOP\r\nNOOP\r\n", "250 2.0.0,554 5.5.0"},
    {"behind_vrfy", ehlo, "VRFY x\r\nNOOP\r\n", "252 2.0.0,554 5.5.0"},
    {"behind_starttls", ehlo, "STARTTLS\r\nEHLO x\r\n", "502 5.5.1,554 5.5.0"},
    {"behind_auth", ehlo, "AUTH PLAIN\r\nAGEAYg==\r\n", "502 5.5.1,554 5.5.0"},
    {"behind_data", ehlo, mail + rcpt + "DATA\r\n" + text + ".\r\n",
     "250 2.1.0,250 2.1.5,554 5.5.0"},
    {"one_byte_behind_data", ehlo, mail + rcpt + "DATA\r\nS", "250 2.1.0,250 2.1.5,554 5.5.0"},
    {"behind_a_refused_data", ehlo, "DATA\r\n" + text, "503 5.5.1,554 5.5.0"},
    {"half_a_command", ehlo, "NOOP\r\nN", "250 2.0.0,554 5.5.0"},
};

class EarlyInput : public testing::TestWithParam<Early> {};

TEST_P(EarlyInput, ends_the_session) {
    const auto& test = GetParam();
    ServerWorld world;
    world.connect();
    if (!test.before.empty()) world.send(test.before);
    EXPECT_EQ(codes(world.send(test.bytes)), test.server);
    ASSERT_TRUE(world.ended);
    EXPECT_EQ(world.ended->reason, EndReason::violation);
    EXPECT_EQ(world.accepted.size(), 0U);
    EXPECT_EQ(world.begun, world.aborted.size());
    EXPECT_EQ(world.send("QUIT\r\n"), "");
}

// What counts is that the reply has not left, not how the bytes were cut.
TEST_P(EarlyInput, ends_the_session_by_bytes_if_no_reply_has_left) {
    const auto& test = GetParam();
    ServerWorld world;
    world.connect();
    if (!test.before.empty()) world.send(test.before);
    world.takes_output = false;
    world.send_by_bytes(test.bytes);
    world.takes_output = true;
    world.pump();
    EXPECT_TRUE(codes(world.take_said()).ends_with("554 5.5.0"));
    EXPECT_TRUE(world.ended);
}

INSTANTIATE_TEST_SUITE_P(, EarlyInput, testing::ValuesIn(early_inputs),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ServerSession, takes_nothing_before_the_banner) {
    ServerWorld world;
    EXPECT_EQ(world.send(ehlo), "");
    EXPECT_EQ(codes(world.connect()), "554 5.5.0");
    EXPECT_TRUE(world.ended);
    ServerWorld late;
    late.session.on_connected(late.now);
    EXPECT_EQ(codes(late.send(ehlo)), "220,554 5.5.0");
}

// The replies to MAIL and RCPT may leave while the driver thinks about DATA; its own has not.
TEST(ServerSession, takes_nothing_before_the_answer_to_data) {
    ServerWorld world;
    world.greet();
    world.begins_at_once = false;
    EXPECT_EQ(codes(world.send(mail + rcpt + "DATA\r\n")), "250 2.1.0,250 2.1.5");
    world.session.on_bytes(world.now, "S");
    world.begin_held();
    world.pump();
    EXPECT_EQ(codes(world.take_said()), "554 5.5.0");
    EXPECT_TRUE(world.ended);
    EXPECT_EQ(world.aborted.size(), 1U);
}

TEST(ServerSession, obeys_nothing_behind_quit) {
    ServerWorld world;
    world.greet();
    EXPECT_EQ(codes(world.send("QUIT\r\n" + mail)), "221 2.0.0");
    EXPECT_EQ(world.ended->reason, EndReason::quit);
    EXPECT_EQ(world.send(mail), "");
}

// ---- Line ends ----

// Without an answer the client would wait for it until its time is up. It is not obeyed, nor is
// what follows: it may be part of an address that somebody made up for a client of ours (see
// smuggling_test.cc).
TEST(ServerSession, answers_a_line_that_ends_with_lf_alone_at_once) {
    for (const bool is_own : {false, true}) {
        for (const auto& line :
             {"\n"s, "EHLO client.example\n"s, "EHLO a\rb\n"s, std::string(5000, 'x') + "\n"}) {
            for (const bool by_bytes : {false, true}) {
                auto client = ServerWorld::stranger();
                client.rights.is_own = is_own;
                ServerWorld world(ServerWorld::default_options(), client);
                world.connect();
                const auto said = by_bytes ? world.send_by_bytes(line) : world.send(line + mail);
                EXPECT_EQ(codes(said), "500 5.5.2") << line;
                EXPECT_NE(said.find("CR LF"), said.npos) << said;
                ASSERT_TRUE(world.ended) << line;
                EXPECT_EQ(world.ended->reason, EndReason::violation);
                EXPECT_EQ(world.refused.size(), 1U);
            }
        }
    }
}

TEST(ServerSession, sees_a_crlf_that_comes_in_two_pieces) {
    for (const auto& start : {""s, "NOOP"s, std::string(5000, 'x')}) {
        ServerWorld world;
        world.greet();
        EXPECT_EQ(world.send(start + "\r"), "");
        EXPECT_NE(world.send("\n"), "");
        EXPECT_FALSE(world.ended);
    }
}

// ---- The driver ----

TEST(ServerSession, holds_what_comes_while_a_message_is_stored) {
    ServerWorld world;
    world.stores_at_once = false;
    world.begin_data();
    EXPECT_EQ(world.send(text + ".\r\n" + mail), "");
    EXPECT_FALSE(world.session.deadline());
    EXPECT_EQ(world.send(rcpt), "");
    EXPECT_TRUE(world.session.wants_input());
    EXPECT_EQ(world.send(std::string(65'536, 'x')), "");
    EXPECT_FALSE(world.session.wants_input());
    world.store();
    EXPECT_EQ(codes(world.take_said()), "250 2.0.0,250 2.1.0,250 2.1.5");
    EXPECT_TRUE(world.session.wants_input());
    EXPECT_EQ(world.session.deadline(), world.now + world.options.command_timeout);
}

TEST(ServerSession, says_why_a_message_could_not_be_stored) {
    ServerWorld world;
    world.refuse_store = ServerReply{452, {4, 3, 1}, "no space"};
    world.begin_data();
    EXPECT_EQ(world.send(text + ".\r\n"), "452 4.3.1 no space\r\n");
    EXPECT_EQ(world.accepted.size(), 0U);
    world.refuse_store.reset();
    EXPECT_EQ(codes(world.send(mail + rcpt + "DATA\r\n")), "250 2.1.0,250 2.1.5,354");
    EXPECT_EQ(codes(world.send(".\r\n")), "250 2.0.0");
}

TEST(ServerSession, may_refuse_a_message_before_it_begins) {
    ServerWorld world;
    world.refuse_begin = ServerReply{452, {4, 3, 1}, "no space"};
    world.greet();
    EXPECT_EQ(codes(world.send(mail + rcpt + "DATA\r\n")), "250 2.1.0,250 2.1.5,452 4.3.1");
    EXPECT_EQ(codes(world.send(mail + rcpt + "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n")),
              "250 2.1.0,250 2.1.5,452 4.3.1,503 5.5.1");
    EXPECT_EQ(codes(world.send(mail)), "250 2.1.0");
    EXPECT_TRUE(world.aborted.empty());
}

TEST(ServerSession, may_refuse_a_message_on_its_way) {
    const ServerReply no_space{452, {4, 3, 1}, "no space"};
    ServerWorld world;
    world.begin_data();
    world.send("Subject: x\r\n");
    world.session.refuse(world.now, no_space);
    EXPECT_EQ(world.session.body_bytes(), 0U);
    EXPECT_EQ(world.send(std::string(1'000'000, 'x') + "\r\n"), "");
    EXPECT_EQ(world.session.body_bytes(), 0U);
    EXPECT_EQ(codes(world.send(".\r\n" + mail)), "452 4.3.1,250 2.1.0");
    EXPECT_TRUE(world.aborted.empty());

    world.send(rcpt + "BDAT 3\r\na\r\n");
    world.session.refuse(world.now, no_space);
    EXPECT_EQ(codes(world.send("BDAT 6\r\nQUIT\r\nBDAT 6\r\nQUIT\r\n")), "452 4.3.1,503 5.5.1");
    EXPECT_EQ(world.accepted.size(), 0U);
}

// A large message passes in pieces and waits until they are taken.
TEST(ServerSession, never_gathers_more_than_a_chunk) {
    for (const bool by_bdat : {false, true}) {
        ServerWorld world;
        world.greet();
        world.send(mail + rcpt);
        std::string body;
        while (body.size() < 3'000'000) body += std::string(70, 'x') + "\r\n";
        world.send(by_bdat ? "BDAT " + std::to_string(body.size()) + " LAST\r\n" : "DATA\r\n");
        const auto sent = by_bdat ? body : body + ".\r\n";
        std::string got;
        for (std::size_t at = 0; at < sent.size(); at += 65'536) {
            world.send(std::string_view(sent).substr(at, 65'536));
            EXPECT_LE(world.session.body_bytes(), limits::body_chunk_bytes_max);
            if (world.session.wants_input()) continue;
            EXPECT_FALSE(world.session.deadline());
            while (!world.session.wants_input()) got += world.session.take_body(world.now);
            EXPECT_TRUE(world.session.deadline());
        }
        while (world.accepted.empty() && world.session.body_bytes() > 0) {
            got += world.session.take_body(world.now);
            world.pump();
        }
        ASSERT_EQ(world.accepted.size(), 1U);
        got += world.accepted[0].body;
        EXPECT_EQ(test::without_trace(got), body);
        EXPECT_EQ(world.accepted[0].facts.size, got.size());
    }
}

TEST(ServerSession, reports_a_lost_connection) {
    ServerWorld world;
    world.begin_data();
    world.send("Subject: x\r\n\r\nhello\r\n.\r");
    world.session.on_closed(world.now, "connection reset by peer");
    world.pump();
    EXPECT_EQ(world.aborted, std::vector<std::string>{"connection reset by peer"});
    EXPECT_EQ(world.ended->reason, EndReason::lost);
    EXPECT_EQ(world.accepted.size(), 0U);
    EXPECT_EQ(world.send("\n"), "");
    EXPECT_EQ(world.accepted.size(), 0U);
}

TEST(ServerSession, leaves_a_complete_message_to_the_driver_when_the_connection_is_lost) {
    ServerWorld world;
    world.stores_at_once = false;
    world.begin_data();
    world.send(text + ".\r\n");
    world.session.on_closed(world.now, "");
    world.pump();
    EXPECT_TRUE(world.aborted.empty());
    EXPECT_TRUE(world.ended);
    world.store();  // too late for a reply, and no harm
    EXPECT_EQ(world.take_said(), "");
}

TEST(ServerSession, ignores_answers_about_a_message_of_an_ended_session) {
    ServerWorld world;
    world.greet();
    world.begins_at_once = false;
    world.send(mail + rcpt + "DATA\r\n");
    world.session.on_closed(world.now, "");
    world.begin_held();
    world.pump();
    EXPECT_EQ(world.begun, 1U);
    EXPECT_EQ(world.aborted.size(), 1U);
}

TEST(ServerSession, ignores_a_late_refusal_of_a_message_that_was_forgotten) {
    ServerWorld world;
    world.greet();
    world.send(mail + rcpt + "BDAT 3\r\na\r\nRSET\r\n");
    EXPECT_EQ(world.aborted, std::vector<std::string>{"RSET"});
    world.session.refuse(world.now, {452, {4, 3, 1}, "no space"});
    EXPECT_EQ(codes(world.send(mail + rcpt)), "250 2.1.0,250 2.1.5");
    world.session.refuse(world.now, {452, {4, 3, 1}, "no space"});
    EXPECT_EQ(codes(world.send("BDAT 3 LAST\r\na\r\n")), "250 2.0.0");
}

TEST(ServerSession, shuts_down_at_once_if_nothing_is_past_its_final_dot) {
    for (const auto& sent : {""s, ehlo, mail, "DATA\r\n"s}) {
        ServerWorld world;
        if (sent == "DATA\r\n") {
            world.begin_data();
            world.send("half a line");
        } else {
            world.greet();
            world.send(sent);
        }
        world.session.shutdown(world.now);
        world.pump();
        EXPECT_EQ(codes(world.take_said()), "421 4.3.2");
        EXPECT_EQ(world.ended->reason, EndReason::shut_down);
        EXPECT_EQ(world.begun, world.aborted.size());
    }
}

TEST(ServerSession, answers_for_a_message_past_its_final_dot_before_it_shuts_down) {
    for (const bool stores : {true, false}) {
        ServerWorld world;
        world.stores_at_once = false;
        world.begin_data();
        world.send(text + ".\r\n" + mail);
        world.session.shutdown(world.now);
        world.pump();
        EXPECT_EQ(world.take_said(), "");
        EXPECT_FALSE(world.ended);
        if (stores) {
            world.store();
        } else {
            world.session.refuse(world.now, {451, {4, 3, 0}, "try later"});
            world.pump();
        }
        EXPECT_EQ(codes(world.take_said()), stores ? "250 2.0.0,421 4.3.2" : "451 4.3.0,421 4.3.2");
        EXPECT_EQ(world.ended->reason, EndReason::shut_down);
    }
}

TEST(ServerSession, keeps_no_place_for_a_client_without_mail) {
    for (const auto* command : {"NOOP\r\n", "RSET\r\n", "VRFY someone\r\n", "EHLO x\r\n"}) {
        ServerWorld world;
        world.greet();
        Millis waited{0};
        while (!world.ended && waited < 24h) {
            world.send(command);
            world.advance(4min);
            waited += 4min;
        }
        ASSERT_TRUE(world.ended) << command;
        EXPECT_EQ(world.ended->reason, EndReason::timed_out);
        EXPECT_LE(waited, 32min) << command;
    }
}

TEST(ServerSession, keeps_no_place_for_a_client_with_transactions_that_come_to_nothing) {
    ServerWorld world;
    world.greet();
    Millis waited{0};
    while (!world.ended && waited < 24h) {
        world.send(mail + rcpt);
        world.advance(4min);
        world.send("RSET\r\n");
        world.advance(4min);
        waited += 8min;
    }
    ASSERT_TRUE(world.ended);
    EXPECT_LE(waited, 64min);
}

TEST(ServerSession, stays_for_a_client_whose_mail_comes_slowly) {
    ServerWorld world;
    world.greet();
    for (int i = 0; i < 20; ++i) {
        world.advance(4min);
        world.send("NOOP\r\n");
        world.advance(4min);
        world.send(mail + rcpt + "DATA\r\n");
        world.send(text + ".\r\n");
        ASSERT_FALSE(world.ended);
    }
    world.advance(4min);
    EXPECT_EQ(codes(world.send(mail)), sender_ok);
    for (int i = 0; i < 20; ++i) {
        world.advance(4min);
        EXPECT_EQ(codes(world.send(i == 0 ? rcpt : "BDAT 3\r\na\r\n")),
                  i == 0 ? recipient_ok : done);
    }
    EXPECT_EQ(world.accepted.size(), 20U);
}

TEST(ServerSession, has_less_patience_under_stress) {
    ServerWorld world;
    world.greet();
    world.session.set_stressed(world.now, true);
    EXPECT_EQ(world.advance(stress_timeout - 1ms), "");
    EXPECT_EQ(codes(world.send(mail)), sender_ok);
    EXPECT_EQ(world.advance(stress_timeout - 1ms), "") << "a command is in time";
    EXPECT_EQ(codes(world.advance(1ms)), "421 4.4.2");
}

TEST(ServerSession, makes_room_only_while_nothing_is_under_way) {
    ServerWorld world;
    world.connect();
    const auto begun = world.now;
    world.advance(3s);
    world.send(ehlo + "");
    world.send("NOOP\r\n");
    EXPECT_EQ(world.session.idle_since(), begun) << "NOOP is no mail";
    world.send(mail + rcpt);
    EXPECT_FALSE(world.session.idle_since());
    world.send("DATA\r\n");
    EXPECT_FALSE(world.session.idle_since());
    world.advance(3s);
    world.send(text + ".\r\n");
    EXPECT_EQ(world.session.idle_since(), world.now);
    world.session.make_room(world.now);
    world.pump();
    EXPECT_EQ(codes(world.take_said()), "421 4.3.2");
    EXPECT_EQ(world.ended->reason, EndReason::made_room);
    EXPECT_FALSE(world.session.idle_since());
}

TEST(ServerSession, reports_what_was_refused) {
    ServerWorld world;
    world.greet();
    world.send(mail);
    world.send("RCPT TO:<x@elsewhere.example>\r\n");
    world.send("NOPE " + std::string(500, 'x') + "\r\n");
    ASSERT_EQ(world.refused.size(), 2U);
    EXPECT_EQ(world.refused[0].command, "RCPT TO:<x@elsewhere.example>");
    EXPECT_EQ(world.refused[0].reply.code, 550);
    EXPECT_EQ(world.refused[1].command, "NOPE " + std::string(195, 'x'));
}

// Whole and one byte at a time.
TEST(ServerSession, offers_etrn_to_clients_that_may_use_it_outside_of_a_transaction) {
    for (const bool by_bytes : {false, true}) {
        auto client = ServerWorld::stranger();
        client.rights.may_wake = true;
        ServerWorld world(ServerWorld::default_options(), client);
        world.on_etrn = [](const EtrnArguments& arguments) -> ServerReply {
            if (arguments.domain == "us.example") return {253, {2, 0, 0}, "OK"};
            return {459, {4, 7, 1}, "not allowed"};
        };
        world.connect();
        const auto say = [&](std::string_view line) {
            return by_bytes ? world.send_by_bytes(line) : world.send(line);
        };
        EXPECT_TRUE(say("ETRN us.example\r\n").starts_with("503 5.5.1 "));
        EXPECT_NE(say("EHLO client.example\r\n").find("250-ETRN\r\n"), std::string::npos);
        EXPECT_EQ(say("ETRN us.example\r\n"), "253 2.0.0 OK\r\n");
        EXPECT_EQ(say("ETRN them.example\r\n"), "459 4.7.1 not allowed\r\n");
        EXPECT_TRUE(say("ETRN us .example\r\n").starts_with("501 5.5.4 "));
        say("MAIL FROM:<>\r\n");
        EXPECT_TRUE(say("ETRN us.example\r\n").starts_with("503 5.5.1 "));
        say("RSET\r\n");
        EXPECT_EQ(say("ETRN us.example\r\n"), "253 2.0.0 OK\r\n");
        EXPECT_EQ(world.asked, (std::vector<std::string>{"ETRN us.example", "ETRN them.example",
                                                         "MAIL <>", "ETRN us.example"}));
        std::string said;
        for (int i = 0; i < 1000 && !world.ended; ++i) said = say("ETRN us.example\r\n");
        EXPECT_TRUE(world.ended) << "nobody stays for that alone";
        EXPECT_NE(said.find("421 4.7.0 "), std::string::npos) << said;
    }
}

TEST(ServerSession, does_not_know_etrn_where_it_is_not_offered) {
    ServerWorld world;
    world.connect();
    EXPECT_EQ(world.send("EHLO client.example\r\n").find("ETRN"), std::string::npos);
    EXPECT_TRUE(world.send("ETRN us.example\r\n").starts_with("502 5.5.1 "));
}

}  // namespace
}  // namespace mta::smtp
