#include "mta/report/dsn.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/time_format.h"
#include "mta/report/mime.h"

namespace mta::report {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using outbound::RecipientOutcome;
using outbound::ReportKind;
using testing::HasSubstr;
using testing::Not;

const Instant sent = from_unix_ms(1'795'000'000'000);
constexpr std::string_view plain_body =
    "Received: from pc (pc [192.0.2.9]) by mail.office.example\r\n"
    "From: Ann <ann@office.example>\r\n"
    "Subject: Lunch on Friday\r\n"
    "Message-ID: <lunch@office.example>\r\n"
    "\r\n"
    "Shall we?\r\n"
    ".. a line with dots\r\n"
    "--=_posthouse_000034\r\n"
    "Ann\r\n";

// A case: what is asked for, and what the report has to say.
struct Case {
    std::string name;
    ReportKind kind = ReportKind::failure;
    queue::Message original;
    std::vector<RecipientOutcome> outcomes;
    std::string returned = "all";  // "header", "part"
    std::string returned_type = "message/rfc822";
    std::string subject_start = "Undeliverable: Lunch on Friday";
    std::string envid;
    std::vector<std::string> words;
    std::vector<json> fields;  // of each recipient, beside the usual
    std::vector<outbound::AlsoDelayed> also = {};
    std::size_t also_unlisted = 0;
};

queue::Message message_with(std::string body) {
    queue::Message message;
    message.id = 77;
    message.arrival = sent;
    message.envelope.reverse_path = "ann@office.example";
    message.envelope.recipients = {{.address = "bob@them.example",
                                    .domain = "them.example",
                                    .notify = queue::notify_unspecified,
                                    .orcpt = {}}};
    message.facts = facts_of(body);
    message.body = std::move(body);
    message.message_id = "<lunch@office.example>";
    return message;
}

RecipientOutcome refused(std::size_t recipient, EnhancedStatus status, std::uint16_t code,
                         std::string text) {
    RecipientOutcome outcome;
    outcome.recipient = recipient;
    outcome.error = {.status = status,
                     .scope = Scope::recipient,
                     .reply_code = code,
                     .text = std::move(text),
                     .remote = "mx1.them.example [192.0.2.1]:25"};
    outcome.last_attempt = sent + 2min;
    return outcome;
}

std::vector<std::shared_ptr<const queue::Message>> dsns_of(const Case& test,
                                                           std::uint64_t salt = 7) {
    queue::MessageId next_id = 100;
    return make_dsns({.kind = test.kind,
                      .original = test.original,
                      .head = test.original.body,
                      .outcomes = test.outcomes,
                      .now = sent + 5 * 24h,
                      .give_up_at = sent + 6 * 24h,
                      .also = test.also,
                      .also_unlisted = test.also_unlisted},
                     {.hostname = "mail.office.example", .postmaster = "", .salt = salt},
                     [&] { return next_id++; });
}

json usual_fields(const Case& test, const RecipientOutcome& outcome) {
    const auto& recipient = test.original.envelope.recipients.at(outcome.recipient);
    json fields = {{"Final-Recipient", "rfc822; " + recipient.address},
                   {"Action", test.kind == ReportKind::failure ? "failed"
                              : test.kind == ReportKind::delay ? "delayed"
                                                               : "relayed"}};
    if (!outcome.error.remote.empty()) fields["Remote-MTA"] = "dns; mx1.them.example";
    if (outcome.last_attempt != Instant{}) {
        fields["Last-Attempt-Date"] = format_rfc5322(outcome.last_attempt);
    }
    if (test.kind == ReportKind::delay) {
        fields["Will-Retry-Until"] = format_rfc5322(sent + 6 * 24h);
    }
    return fields;
}

Case user_unknown() {
    Case test;
    test.name = "user_unknown";
    test.original = message_with(std::string(plain_body));
    test.original.envelope.envid = "QQ+2B31+3Dx";
    test.envid = "QQ+31=x";
    test.original.envelope.recipients[0].orcpt = "rfc822;Bob+2Blist@them.example";
    test.outcomes = {refused(0, {5, 1, 1}, 550, "5.1.1 <bob@them.example>: User unknown")};
    test.words = {"could not be delivered",
                  "There is no mailbox with this address at them.example",
                  "check the spelling",
                  "550 5.1.1 <bob@them.example>: User unknown",
                  "mx1.them.example [192.0.2.1]:25",
                  "postmaster@mail.office.example",
                  "Subject: Lunch on Friday"};
    test.fields = {{{"Status", "5.1.1"},
                    {"Original-Recipient", "rfc822; Bob+list@them.example"},
                    {"Diagnostic-Code", "smtp; 550 5.1.1 <bob@them.example>: User unknown"}}};
    return test;
}

Case many_lines() {
    auto test = user_unknown();
    test.name = "many_lines_of_reply";
    test.original.envelope.ret = queue::Ret::full;
    test.outcomes[0].error.text =
        "5.7.1 Our policy is this:\n\nsee https://them.example/a/very/long/link/that/cannot/be/"
        "broken/because/it/would/not/work/any/more?x=y\nFinal-Recipient: rfc822; forged@x.example";
    test.outcomes[0].error.status = {5, 7, 1};
    test.fields[0]["Status"] = "5.7.1";
    test.fields[0]["Diagnostic-Code"] =
        "smtp; 550-5.7.1 Our policy is this: 550- 550-see https://them.example/a/very/long/link/"
        "that/cannot/be/broken/because/it/would/not/work/any/more?x=y 550 Final-Recipient: rfc822; "
        "forged@x.example";
    test.words = {"refused the message because of its rules",
                  "550-5.7.1 Our policy is this:", "550 Final-Recipient: rfc822; forged@x.example"};
    return test;
}

Case expired_unreachable() {
    auto test = user_unknown();
    test.name = "expired_unreachable";
    test.original.envelope.ret = queue::Ret::headers;
    test.returned = "header";
    test.returned_type = "text/rfc822-headers";
    test.outcomes[0].error = {.status = {4, 4, 1},
                              .scope = Scope::host,
                              .reply_code = 0,
                              .text = "connection refused",
                              .remote = ""};
    test.outcomes[0].has_expired = true;
    test.words = {"The message has waited for 5 days and could not be delivered",
                  "The mail server of them.example could not be reached", "connection refused"};
    test.fields = {{{"Status", "5.4.1"}, {"Original-Recipient", "rfc822; Bob+list@them.example"}}};
    return test;
}

Case delayed() {
    auto test = user_unknown();
    test.name = "delayed";
    test.kind = ReportKind::delay;
    test.original.envelope.ret = queue::Ret::full;  // counts only for failures
    test.returned = "header";
    test.returned_type = "text/rfc822-headers";
    test.subject_start = "Delayed: Lunch";
    test.outcomes = {refused(0, {4, 2, 2}, 452, "4.2.2 Mailbox full")};
    test.words = {"need not do anything", "keep trying until Tue, 24 Nov 2026",
                  "Not delivered so far. The recipient's mailbox is full.",
                  "452 4.2.2 Mailbox full"};
    test.fields = {{{"Status", "4.2.2"},
                    {"Original-Recipient", "rfc822; Bob+list@them.example"},
                    {"Diagnostic-Code", "smtp; 452 4.2.2 Mailbox full"}}};
    return test;
}

Case late() {
    auto test = delayed();
    test.name = "late";
    test.original.envelope.requests = {.release = sent + 1h,
                                       .deliver_by = {ByMode::notify, false, sent + 2h}};
    test.words = {"You wanted it delivered by Wed, 18 Nov 2026 13:06:40 +0000",
                  "that time has passed", "need not do anything", "452 4.2.2 Mailbox full"};
    return test;
}

Case too_late() {
    auto test = user_unknown();
    test.name = "too_late";
    test.original.envelope.requests.deliver_by = {ByMode::give_back, false, sent + 2h};
    test.outcomes = {refused(0, {5, 4, 7}, 452, "4.2.2 Mailbox full")};
    test.outcomes[0].has_expired = true;
    test.words = {"You wanted it delivered by Wed, 18 Nov 2026 13:06:40 +0000",
                  "that time has passed. Your message could not be delivered",
                  "452 4.2.2 Mailbox full"};
    test.fields = {{{"Status", "5.4.7"},
                    {"Original-Recipient", "rfc822; Bob+list@them.example"},
                    {"Diagnostic-Code", "smtp; 452 4.2.2 Mailbox full"}}};
    return test;
}

// Another message of the same sender, to some recipients.
outbound::AlsoDelayed another(queue::MessageId id, const std::string& subject,
                              const std::vector<std::string>& to) {
    auto body = "Subject: " + subject + "\r\n\r\nhello\r\n";
    auto message = std::make_shared<queue::Message>(message_with(std::move(body)));
    message->id = id;
    message->envelope.recipients.clear();
    outbound::AlsoDelayed also{
        .message = message, .head = message->body, .outcomes = {}, .give_up_at = sent + 7 * 24h};
    for (const auto& address : to) {
        also.outcomes.push_back(refused(message->envelope.recipients.size(), {4, 4, 1}, 0, ""));
        message->envelope.recipients.push_back({.address = address,
                                                .domain = "others.example",
                                                .notify = queue::notify_unspecified,
                                                .orcpt = {}});
    }
    return also;
}

Case many_delayed() {
    auto test = delayed();
    test.name = "many_delayed";
    test.also = {another(78, "B\xc3\xbcro\r\n of ours", {"carl@others.example"}),
                 another(79, "=?utf-8?q?Caf=C3=A9?=",
                         {"a@others.example", "b@others.example", "c@others.example",
                          "d@others.example", "e@others.example", "f@others.example"}),
                 another(80, "", {"<x>\r\n--=_posthouse_000034\r\n@others.example"})};
    test.also_unlisted = 312;
    test.subject_start = "Delayed: Lunch on Friday (and 315 more messages)";
    test.words = {"316 of your messages have not been delivered yet",
                  "need not send them again",
                  "the first one until Tue, 24 Nov 2026",
                  "452 4.2.2 Mailbox full",
                  "Message 00002e, sent ",
                  "Subject: B\xc3\xbcro of ours",
                  "To: <carl@others.example>",
                  "The mail server of others.example could not be reached.",
                  "We keep trying until Wed, 25 Nov 2026",
                  "<e@others.example> and 1 more",
                  "... and 312 more messages."};
    return test;
}

Case relayed() {
    auto test = user_unknown();
    test.name = "relayed";
    test.kind = ReportKind::relayed;
    test.returned = "header";
    test.returned_type = "text/rfc822-headers";
    test.subject_start = "Handed on: Lunch";
    test.outcomes = {refused(0, {2, 0, 0}, 250, "2.0.0 queued as 4711")};
    test.words = {"does not send confirmations", "Handed on to mx1.them.example [192.0.2.1]:25",
                  "250 2.0.0 queued as 4711"};
    test.fields = {{{"Status", "2.0.0"},
                    {"Original-Recipient", "rfc822; Bob+list@them.example"},
                    {"Diagnostic-Code", "smtp; 250 2.0.0 queued as 4711"}}};
    return test;
}

Case relayed_with_trace() {
    auto test = relayed();
    test.name = "relayed_with_trace";
    test.original.envelope.requests.deliver_by = {ByMode::give_back, true, sent + 2h};
    test.words = {
        "You asked to be told about each step of your message. It was handed on to the "
        "next mail server.",
        "250 2.0.0 queued as 4711"};
    return test;
}

Case relayed_to_one_who_minds_no_time() {
    auto test = relayed();
    test.name = "relayed_to_one_who_minds_no_time";
    test.original.envelope.requests.deliver_by = {ByMode::notify, false, sent + 2h};
    test.words = {
        "You asked to be told if your message is not delivered by Wed, 18 Nov 2026 "
        "13:06:40 +0000.",
        "from there on nobody watches the time", "250 2.0.0 queued as 4711"};
    return test;
}

Case international() {
    auto test = user_unknown();
    test.name = "international";
    test.original = message_with(
        "From: J\u00f6rg <j\u00f6rg@b\u00fcro.example>\r\nSubject: Gr\u00fc\u00dfe aus "
        "K\u00f6ln\r\n\r\nsch\u00f6n\r\n");
    test.original.envelope.smtputf8 = true;
    test.original.envelope.reverse_path = "j\u00f6rg@b\u00fcro.example";
    test.original.envelope.recipients = {{.address = "\u5b57@\u4f8b.example",
                                          .domain = "xn--fsq.example",
                                          .notify = queue::notify_unspecified,
                                          .orcpt = "utf-8;\\x{5B57}@\u4f8b.example"}};
    test.outcomes = {refused(0, {5, 6, 7}, 553, "5.6.7 kein \u00e4\u00f6\u00fc")};
    test.envid = "";
    test.returned = "header";
    test.returned_type = "message/global-headers";
    test.subject_start = "Undeliverable: Gr\u00fc\u00dfe aus K\u00f6ln";
    test.words = {"letters beyond A to Z", "553 5.6.7 kein \u00e4\u00f6\u00fc",
                  "Subject: Gr\u00fc\u00dfe aus K\u00f6ln", "<\u5b57@\u4f8b.example>"};
    test.fields = {{{"Status", "5.6.7"},
                    {"Original-Recipient", "utf-8; \\x{5B57}@\\x{4F8B}.example"},
                    {"Final-Recipient", "utf-8; \\x{5B57}@\\x{4F8B}.example"},
                    {"Diagnostic-Code", "smtp; 553 5.6.7 kein ??????"}}};
    return test;
}

Case international_headers() {
    auto test = international();
    test.name = "international_headers_to_an_ascii_sender";
    test.original.envelope.reverse_path = "ann@office.example";
    test.original.envelope.ret = queue::Ret::headers;
    return test;
}

Case eight_bit_body() {
    auto test = user_unknown();
    test.name = "eight_bit_body";
    test.original = message_with(
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n\xe4 latin-1, not UTF-8\r\nno line end");
    test.original.message_id = "<a@b> (\r\nBcc: x)";
    test.original.envelope.body_type = queue::BodyType::eight_bit_mime;
    test.outcomes = {refused(0, {5, 2, 2}, 552, "\xe4 quota")};
    test.envid = "";
    test.subject_start = "Undeliverable: Gr\u00fc\u00dfe";
    test.returned = "header";
    test.returned_type = "text/rfc822-headers";
    test.words = {"mailbox is full", "552 ? quota"};
    test.fields = {{{"Status", "5.2.2"}, {"Diagnostic-Code", "smtp; 552 ? quota"}}};
    return test;
}

Case odd_header() {
    auto test = user_unknown();
    test.name = "odd_header";
    test.original = message_with(
        "Subject: two\r\n\tlines and \xe4 and \x01 and\r\n"
        "X-Long: " +
        std::string(5000, 'x') + "\r\nX-Raw: \xe4\r\n\r\n" + std::string(60'000, 'y') + "\r\n");
    test.original.message_id = "";
    test.returned = "header";
    test.returned_type = "text/rfc822-headers";
    test.envid = "";
    test.subject_start = "Undeliverable: two lines and ? and and";
    test.words = {};
    test.fields = {{{"Status", "5.1.1"},
                    {"Diagnostic-Code", "smtp; 550 5.1.1 <bob@them.example>: User unknown"}}};
    return test;
}

Case huge_header() {
    auto test = odd_header();
    test.name = "huge_header";
    std::string header = "Subject: Lunch on Friday\r\n";
    for (int i = 0; i < 3000; ++i) {
        header += "X-Number-" + std::to_string(i) + ": something\r\n\tgoes on here\r\n";
    }
    test.original = message_with(header + "\r\nbody\r\n");
    test.original.message_id = "no brackets@x";
    test.returned = "part";
    test.subject_start = "Undeliverable: Lunch on Friday";
    return test;
}

Case no_header() {
    auto test = odd_header();
    test.name = "no_header";
    test.original = message_with("\r\nSubject: this is text\r\n");
    test.original.message_id = "";
    test.returned = "all";
    test.returned_type = "message/rfc822";
    test.subject_start = "Undeliverable: your message";
    return test;
}

Case empty_body() {
    auto test = no_header();
    test.name = "empty_body";
    test.original = message_with("");
    test.original.message_id = "";
    test.returned = "header";
    test.returned_type = "text/rfc822-headers";
    return test;
}

Case injected() {
    auto test = user_unknown();
    test.name = "injected";
    test.original.envelope.envid = "a+0D+0AAction: delivered";
    test.envid = "a Action: delivered";
    test.original.envelope.recipients[0].orcpt = "rfc822;x+0D+0A+0D+0AFinal-Recipient: y";
    test.original.envelope.recipients[0].address = "bob\r\nBcc: all@them.example";
    test.outcomes[0].error.remote = "mx\r\n\r\nevil [192.0.2.1]:25";
    test.outcomes[0].error.text = "no\r\nStatus: 2.0.0\r\n\r\n--=_posthouse_000034\r\n";
    test.words = {};
    test.fields = {
        {{"Status", "5.1.1"},
         {"Original-Recipient", "rfc822; x    Final-Recipient: y"},
         {"Final-Recipient", "rfc822; bob  Bcc: all@them.example"},
         {"Remote-MTA", "dns; mx evil"},
         {"Diagnostic-Code", "smtp; 550-no 550-Status: 2.0.0 550- 550 --=_posthouse_000034"}}};
    return test;
}

Case two_recipients() {
    auto test = user_unknown();
    test.name = "two_recipients";
    test.original.envelope.recipients.push_back({.address = "carl@there.example",
                                                 .domain = "there.example",
                                                 .notify = queue::notify_unspecified,
                                                 .orcpt = {}});
    test.outcomes.push_back(refused(1, {4, 0, 0}, 451, "try later"));
    test.outcomes[1].has_expired = true;
    test.outcomes[1].is_in_doubt = true;
    test.outcomes[1].attempts = 12;
    test.words.emplace_back(
        "has waited for 5 days, and the mail server of there.example put it "
        "off at each of 12 attempts.");
    test.words.emplace_back("it may have arrived all the same");
    test.fields.push_back({{"Status", "5.4.7"}, {"Diagnostic-Code", "smtp; 451 try later"}});
    return test;
}

std::vector<Case> all_cases() {
    return {user_unknown(),
            many_lines(),
            expired_unreachable(),
            delayed(),
            many_delayed(),
            late(),
            too_late(),
            relayed(),
            relayed_with_trace(),
            relayed_to_one_who_minds_no_time(),
            international(),
            international_headers(),
            eight_bit_body(),
            odd_header(),
            huge_header(),
            no_header(),
            empty_body(),
            injected(),
            two_recipients()};
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

json wanted_of(const Case& test, const queue::Message& made) {
    const auto& id = test.original.message_id;
    json recipients = json::array();
    for (std::size_t i = 0; i < test.outcomes.size(); ++i) {
        auto fields = usual_fields(test, test.outcomes[i]);
        fields.update(test.fields.at(i));
        recipients.push_back({{"address", std::to_string(i)}, {"fields", fields}});
    }
    return {{"sender", test.original.envelope.reverse_path},
            {"hostname", "mail.office.example"},
            {"reference", id == "<lunch@office.example>" ? id : ""},
            {"subject_start", test.subject_start},
            {"returned", test.returned},
            {"returned_type", test.returned_type},
            {"envid", test.envid},
            {"words", test.words},
            {"recipients", recipients},
            {"facts",
             {{"size", made.facts.size},
              {"header_bytes", made.facts.header_bytes},
              {"has_8bit", made.facts.has_8bit},
              {"header_has_8bit", made.facts.header_has_8bit},
              {"has_leading_dots", made.facts.has_leading_dots},
              {"line_bytes_max", made.facts.line_bytes_max}}}};
}

TEST(Dsn, another_mime_reader_finds_in_it_what_we_meant) {
    const auto folder =
        std::filesystem::path(testing::TempDir()) / ("posthouse_dsn_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    for (const auto& test : all_cases()) {
        const auto made = dsns_of(test);
        ASSERT_EQ(made.size(), 1u) << test.name;
        write_file(folder / (test.name + ".eml"), made[0]->body);
        write_file(folder / (test.name + ".original"), test.original.body);
        write_file(folder / (test.name + ".json"),
                   wanted_of(test, *made[0]).dump(1, ' ', false, json::error_handler_t::replace));
    }
    const auto command = "/usr/bin/python3 tests/report/check_dsn.py " + folder.string() + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string said;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) said += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0) << said;
    EXPECT_THAT(said, HasSubstr("checked " + std::to_string(all_cases().size())));
    if (!HasFailure()) std::filesystem::remove_all(folder);
}

TEST(Dsn, claims_no_attempts_but_those_that_were_made) {
    struct Row {
        std::uint32_t attempts;
        std::string words;
    };
    for (const auto& row : std::vector<Row>{{0, "waited for 5 days and could not be delivered."},
                                            {1, "put it off at the one attempt that was made."},
                                            {7, "put it off at each of 7 attempts."}}) {
        auto test = user_unknown();
        test.outcomes = {refused(0, {4, 2, 2}, 452, "4.2.2 Mailbox full")};
        test.outcomes[0].has_expired = true;
        test.outcomes[0].attempts = row.attempts;
        auto body = dsns_of(test).at(0)->body;
        for (auto at = body.find("\r\n  "); at != std::string::npos; at = body.find("\r\n  "))
            body.replace(at, 4, " ");
        EXPECT_THAT(body, HasSubstr(row.words));
        EXPECT_THAT(body, Not(HasSubstr("We tried")));
    }
}

TEST(Dsn, tells_machines_what_the_sender_had_asked_for) {
    const auto made = dsns_of(late());
    ASSERT_EQ(made.size(), 1u);
    EXPECT_THAT(made[0]->body, HasSubstr("\r\nArrival-Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n"
                                         "Deliver-By-Date: Wed, 18 Nov 2026 13:06:40 +0000\r\n"
                                         "Future-Release-Request: until;2026-11-18T12:06:40.000Z"
                                         "\r\n"));
    EXPECT_TRUE(made[0]->envelope.requests.is_empty()) << "the report has no hurry";
    const auto usual = dsns_of(delayed());
    EXPECT_THAT(usual.at(0)->body, Not(HasSubstr("Deliver-By-Date")));
    EXPECT_THAT(usual.at(0)->body, Not(HasSubstr("Future-Release-Request")));
}

TEST(Dsn, goes_from_the_null_sender_to_the_original_sender_and_asks_for_no_report_itself) {
    const auto made = dsns_of(user_unknown());
    ASSERT_EQ(made.size(), 1u);
    const auto& message = *made[0];
    EXPECT_EQ(message.envelope.reverse_path, "");
    ASSERT_EQ(message.envelope.recipients.size(), 1u);
    EXPECT_EQ(message.envelope.recipients[0].address, "ann@office.example");
    EXPECT_EQ(message.envelope.recipients[0].domain, "office.example");
    EXPECT_EQ(message.envelope.recipients[0].notify, queue::notify_never);
    EXPECT_EQ(message.id, 100u);
    EXPECT_EQ(message.about, 77u);
    EXPECT_EQ(message.arrival, sent + 5 * 24h);
    EXPECT_TRUE(message.is_body_inline());
    EXPECT_FALSE(message.envelope.smtputf8);
    EXPECT_EQ(message.envelope.body_type, queue::BodyType::seven_bit);
    EXPECT_THAT(message.body, HasSubstr("Message-ID: " + message.message_id + "\r\n"));
}

TEST(Dsn, needs_smtputf8_only_for_a_sender_in_utf8) {
    const auto to_utf8 = dsns_of(international());
    ASSERT_EQ(to_utf8.size(), 1u);
    EXPECT_TRUE(to_utf8[0]->envelope.smtputf8);
    EXPECT_EQ(to_utf8[0]->envelope.recipients[0].domain, "xn--bro-hoa.example");
    const auto to_ascii = dsns_of(international_headers());
    ASSERT_EQ(to_ascii.size(), 1u);
    EXPECT_FALSE(to_ascii[0]->envelope.smtputf8);
    EXPECT_FALSE(to_ascii[0]->facts.header_has_8bit);
}

TEST(Dsn, is_seven_bit_whatever_it_is_about_but_for_a_sender_that_is_not) {
    for (const auto kind : {ReportKind::failure, ReportKind::delay, ReportKind::relayed}) {
        for (auto test : all_cases()) {
            test.kind = kind;
            const bool is_ascii_sender = is_ascii(test.original.envelope.reverse_path);
            for (const auto& made : dsns_of(test)) {
                const std::string_view body = made->body;
                EXPECT_TRUE(is_ascii(body.substr(made->facts.header_bytes))) << test.name;
                EXPECT_EQ(made->facts.header_has_8bit, !is_ascii_sender) << test.name;
                EXPECT_EQ(made->envelope.smtputf8, !is_ascii_sender) << test.name;
                EXPECT_EQ(made->envelope.body_type == queue::BodyType::seven_bit, is_ascii_sender);
            }
        }
    }
}

TEST(Dsn, goes_to_a_sender_of_an_international_domain_without_smtputf8) {
    auto test = user_unknown();
    test.original.envelope.reverse_path = "ann@b\u00fcro.example";
    const auto made = dsns_of(test);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0]->envelope.recipients[0].address, "ann@xn--bro-hoa.example");
    EXPECT_THAT(made[0]->body, HasSubstr("\r\nTo: <ann@xn--bro-hoa.example>\r\n"));
    EXPECT_FALSE(made[0]->envelope.smtputf8);
}

TEST(Dsn, goes_to_a_quoted_sender_about_a_quoted_recipient_with_any_character_in_it) {
    std::vector<std::string> local_parts = {R"("two  blanks")", R"("a\"b")", R"("a\\")", R"(" ")"};
    for (char c = ' '; c < 0x7f; ++c) {
        const bool must_be_escaped = c == '"' || c == '\\';
        local_parts.push_back(std::string("\"x") + (must_be_escaped ? "\\" : "") + c + "\"");
        local_parts.push_back(std::string("\"\\") + c + "y\"");
    }
    for (const auto& local_part : local_parts) {
        auto test = user_unknown();
        test.original.envelope.reverse_path = local_part + "@office.example";
        test.original.envelope.recipients[0].address = local_part + "@them.example";
        const auto made = dsns_of(test);
        ASSERT_EQ(made.size(), 1u) << local_part;
        EXPECT_EQ(made[0]->envelope.recipients[0].address, local_part + "@office.example");
        EXPECT_THAT(made[0]->body, HasSubstr("\r\nTo: <" + local_part + "@office.example>\r\n"));
        EXPECT_THAT(made[0]->body,
                    HasSubstr("\r\nFinal-Recipient: rfc822; " + local_part + "@them.example\r\n"));
    }
}

TEST(Dsn, has_a_message_id_that_no_other_spool_gives) {
    EXPECT_NE(dsns_of(user_unknown(), 1)[0]->message_id, dsns_of(user_unknown(), 2)[0]->message_id);
    EXPECT_EQ(dsns_of(user_unknown(), 0xabc)[0]->message_id,
              "<000034.abc.report@mail.office.example>");
}

TEST(Dsn, recipients_of_one_fate_share_the_words_and_have_fields_of_their_own) {
    auto test = user_unknown();
    test.outcomes.clear();
    test.original.envelope.recipients.clear();
    for (std::size_t i = 0; i < 300; ++i) {
        test.original.envelope.recipients.push_back(
            {.address = "b" + std::to_string(i) + "@them.example",
             .domain = "them.example",
             .notify = queue::notify_unspecified,
             .orcpt = {}});
        test.outcomes.push_back(refused(i, {5, 1, 1}, 550, "5.1.1 no such user"));
    }
    const auto made = dsns_of(test);
    ASSERT_EQ(made.size(), 1u);
    const std::string_view body = made[0]->body;
    EXPECT_THAT(body, HasSubstr("<b0@them.example>\r\n<b1@them.example>\r\n"));
    const auto words = body.find("There is no mailbox with this address");
    EXPECT_NE(words, body.npos);
    EXPECT_EQ(body.find("There is no mailbox with this address", words + 1), body.npos);
    EXPECT_THAT(body, HasSubstr("Final-Recipient: rfc822; b299@them.example"));
}

// A-labels everywhere in what programs read: then it can go through every host.
TEST(Dsn, needs_no_smtputf8_for_domains_in_u_labels) {
    auto test = user_unknown();
    test.original.envelope.smtputf8 = true;
    test.original.envelope.reverse_path = "ann@b\u00fcro.example";
    test.original.envelope.recipients[0].address = "bob@b\u00fccher.example";
    test.original.envelope.recipients[0].domain = "xn--bcher-kva.example";
    const auto reports = dsns_of(test);
    ASSERT_EQ(reports.size(), 1u);
    const auto& report = *reports[0];
    EXPECT_FALSE(report.envelope.smtputf8);
    EXPECT_FALSE(report.facts.has_8bit);
    EXPECT_EQ(report.envelope.recipients[0].address, "ann@xn--bro-hoa.example");
    EXPECT_THAT(report.body, HasSubstr("To: <ann@xn--bro-hoa.example>\r\n"));
    EXPECT_THAT(report.body, HasSubstr("report-type=delivery-status;"));
    EXPECT_THAT(report.body, HasSubstr("Final-Recipient: rfc822; bob@xn--bcher-kva.example\r\n"));
}

TEST(Dsn, nobody_is_told_where_nobody_can_be) {
    for (const auto* const sender :
         {"", "ann", "@office.example", "ann@", "ann@no..domain", "a\r\nb@office.example",
          "a>b@office.example", "\xff@office.example"}) {
        auto test = user_unknown();
        test.original.envelope.reverse_path = sender;
        EXPECT_TRUE(dsns_of(test).empty()) << sender;
    }
    auto literal = user_unknown();
    literal.original.envelope.reverse_path = "ann@[192.0.2.7]";
    ASSERT_EQ(dsns_of(literal).size(), 1u);
    EXPECT_EQ(dsns_of(literal)[0]->envelope.recipients[0].domain, "[192.0.2.7]");
}

TEST(Dsn, very_many_recipients_get_several_reports_each_of_them_once) {
    auto test = user_unknown();
    test.original.envelope.recipients.clear();
    test.outcomes.clear();
    for (std::size_t i = 0; i < 1000; ++i) {
        test.original.envelope.recipients.push_back(
            {.address = "user" + std::to_string(i) + "@them.example",
             .domain = "them.example",
             .notify = queue::notify_unspecified,
             .orcpt = {}});
        test.outcomes.push_back(refused(i, {5, 1, 1}, 550, std::string(200, '\xe4')));
    }
    const auto made = dsns_of(test);
    EXPECT_GT(made.size(), 2u);
    EXPECT_LT(made.size(), 50u);
    std::string all;
    for (std::size_t i = 0; i < made.size(); ++i) {
        EXPECT_EQ(made[i]->id, 100 + i);
        EXPECT_LE(made[i]->body.size(), limits::body_inline_bytes_max);
        all += made[i]->body;
    }
    for (std::size_t i = 0; i < 1000; ++i) {
        const auto field = "Final-Recipient: rfc822; user" + std::to_string(i) + "@";
        const auto first = all.find(field);
        ASSERT_NE(first, all.npos) << field;
        EXPECT_EQ(all.find(field, first + 1), all.npos) << field;
    }
}

TEST(Dsn, a_list_of_very_many_messages_is_cut_and_counted) {
    auto test = delayed();
    const std::string subject(1500, '\xc3');  // three bytes each as quoted-printable
    for (queue::MessageId id = 200; id < 250; ++id) {
        test.also.push_back(another(
            id, subject, std::vector<std::string>(9, std::string(60, 'x') + "@others.example")));
    }
    const auto made = dsns_of(test);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_LE(made[0]->body.size(), limits::body_inline_bytes_max);
    std::size_t listed = 0;
    for (auto at = made[0]->body.find("Message 0"); at != std::string::npos;
         at = made[0]->body.find("Message 0", at + 1))
        ++listed;
    EXPECT_GT(listed, 5u);
    EXPECT_LT(listed, 50u);
    EXPECT_THAT(made[0]->body,
                HasSubstr("... and " + std::to_string(50 - listed) + " more messages."));
}

TEST(Dsn, an_endless_reply_is_cut) {
    auto test = user_unknown();
    for (const auto* const piece : {"x", "x\n", "word ", "\u00e4"}) {
        test.outcomes[0].error.text.clear();
        while (test.outcomes[0].error.text.size() < 70'000) test.outcomes[0].error.text += piece;
        const auto made = dsns_of(test);
        ASSERT_EQ(made.size(), 1u);
        EXPECT_LT(made[0]->body.size(), 50'000u) << piece;
        EXPECT_LE(made[0]->facts.line_bytes_max, 1000u) << piece;
        EXPECT_THAT(made[0]->body, HasSubstr("[...]"));
    }
}

TEST(Dsn, a_boundary_in_the_original_is_stepped_aside_of) {
    auto test = user_unknown();
    test.original =
        message_with("Subject: x\r\n\r\n--=_posthouse_000034\r\n--=_posthouse_000034_1--\r\n");
    const auto made = dsns_of(test);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_THAT(made[0]->body, HasSubstr("boundary=\"=_posthouse_000034_2\""));
}

TEST(Dsn, without_the_original_there_is_still_a_report) {
    auto test = user_unknown();
    test.original.body.clear();
    const auto made = dsns_of(test);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_THAT(made[0]->body, HasSubstr("Subject: Undeliverable: your message\r\n"));
    EXPECT_THAT(made[0]->body, HasSubstr("text/rfc822-headers"));
    EXPECT_THAT(made[0]->body, Not(HasSubstr("message/rfc822")));
}

}  // namespace
}  // namespace mta::report
