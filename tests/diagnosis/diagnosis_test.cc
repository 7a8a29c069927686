#include "mta/diagnosis/diagnosis.h"

#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "mta/diagnosis/reply_policy.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace mta::diagnosis {
namespace {

using smtp::Stage;

DeliveryError said(const std::string& line, Stage stage) {
    smtp::Reply reply;
    reply.code = static_cast<std::uint16_t>(std::stoi(line.substr(0, 3)));
    reply.lines = {line.substr(4)};
    return error_from_reply(stage, reply);
}

struct Case {
    const char* reply;
    bool want;
};

TEST(Diagnosis, too_many_connections_of_the_servers_that_there_are) {
    const Case cases[] = {
        {"421 4.7.0 mx.them.example Error: too many connections from 192.0.2.1", true},
        {"421 mx.them.example Too many concurrent SMTP connections; please try again later.", true},
        {"421 Too many concurrent SMTP connections from this IP address; please try again later.",
         true},
        {"421 4.3.2 The maximum number of concurrent server connections has exceeded a limit, "
         "closing transmission channel",
         true},
        {"421 4.3.2 Connection rate limit exceeded.", true},
        {"421 4.3.2 Too many open connections.", true},
        {"450 4.7.0 Too many sessions from your address", true},
        {"554 5.7.0 Concurrent connection limit reached", true},
        {"421 4.3.2 the system is shutting down", false},
        {"421 4.4.2 mx.them.example Error: timeout exceeded", false},
        {"421 4.7.0 Error: too many errors", false},
        {"554 5.3.2 closed today", false},
    };
    for (const auto& each : cases)
        EXPECT_EQ(diagnose(said(each.reply, Stage::greeting)).is_too_many_connections, each.want)
            << each.reply;
    EXPECT_FALSE(
        diagnose(said("450 4.2.1 too many connections", Stage::rcpt)).is_too_many_connections)
        << "about a mailbox";
    EXPECT_FALSE(diagnose(DeliveryError{.scope = Scope::host, .text = "too many connections"})
                     .is_too_many_connections)
        << "our own words";
}

TEST(Diagnosis, about_our_address_and_not_about_the_message) {
    const Case cases[] = {
        {"554 5.7.1 <a.example[192.0.2.1]>: Client host rejected: blocked using bl.example", true},
        {"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example", true},
        {"550 5.7.606 Access denied, banned sending IP [192.0.2.1]", true},
        {"550 5.7.25 Reverse DNS validation failed", true},
        {"421 4.7.0 [TSS04] Messages from 192.0.2.25 temporarily deferred due to unexpected volume "
         "or user complaints",
         true},
        {"421 RP-001 (RP-001) Unfortunately, some messages from 192.0.2.1 weren't sent", true},
        {"450 4.7.1 Access denied. IP name lookup failed [192.0.2.222]", true},
        {"553 http://www.spamhaus.org/query/bl?ip=192.0.2.222", true},
        {"550 5.7.1 your IP address is on our list", true},
        {"550 5.1.1 <bob@them.example>: Recipient address rejected: User unknown", false},
        {"550 5.7.1 message content rejected: it looks like spam", false},
        {"554 5.7.1 Sender address rejected: Access denied", false},
        {"550 5.7.26 unauthenticated mail from them.example is not accepted due to DMARC", false},
        {"450 4.7.1 greylisted, try again in 300 seconds", false},
        {"550 5.7.509 Access denied, sending domain [X.EXAMPLE] does not pass DMARC verification",
         false},
        {"552 5.2.2 mailbox full", false},
        {"421 4.3.2 shutting down", false},
    };
    for (const auto& each : cases)
        EXPECT_EQ(diagnose(said(each.reply, Stage::rcpt)).is_about_our_address, each.want)
            << each.reply;
    EXPECT_FALSE(diagnose(DeliveryError{.text = "your IP"}).is_about_our_address)
        << "our own words";
}

TEST(Diagnosis, about_a_reverse_name_and_not_about_the_rest_of_our_address) {
    const auto is_meant = [](EnhancedStatus status, const std::string& text) {
        return diagnose(
                   {.status = status, .scope = Scope::message, .reply_code = 550, .text = text})
            .wants_reverse_name;
    };
    EXPECT_TRUE(is_meant({5, 7, 25}, "5.7.25 no"));
    for (const std::string text :
         {"5.7.1 [2001:db8::1] Our system has detected that this message does not meet IPv6 "
          "sending "
          "guidelines regarding PTR records and authentication",
          "5.7.1 Client host rejected: cannot find your reverse hostname, [2001:db8::1]",
          "5.7.1 Client host rejected: cannot find your hostname, [2001:db8::1]",
          "5.7.1 Fix reverse DNS for 2001:db8::1", "IP name lookup failed", "no rDNS"})
        EXPECT_TRUE(is_meant({5, 7, 1}, text)) << text;
    for (const std::string text :
         {"5.7.1 your IP is blocked",
          "5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", "5.1.1 no such user"})
        EXPECT_FALSE(is_meant({5, 7, 1}, text)) << text;
    EXPECT_FALSE(
        diagnose(DeliveryError{.status = {5, 7, 25}, .text = "our own words"}).wants_reverse_name);
}

TEST(Diagnosis, too_many_recipients_by_the_code_or_by_the_words) {
    const Case cases[] = {
        {"452 4.5.3 Error: too many recipients", true},
        {"452 4.5.3 no more", true},
        {"452 Too many recipients received this hour", true},
        {"552 too many recipients", true},
        {"452 4.3.1 disk full", false},
        {"450 4.5.3 no more", false},
        {"550 5.7.1 too many recipients", false},
    };
    for (const auto& each : cases)
        EXPECT_EQ(diagnose(said(each.reply, Stage::rcpt)).is_too_many_recipients, each.want)
            << each.reply;
}

TEST(Diagnosis, greylisting_in_its_spellings_and_for_4xx_only) {
    const Case cases[] = {
        {"450 4.2.0 Recipient address rejected: Greylisted", true},
        {"451 4.7.1 Graylisting in effect", true},
        {"451 Grey-listed, come back later", true},
        {"450 4.7.1 try again later", false},
        {"550 5.7.1 greylisted", false},
    };
    for (const auto& each : cases)
        EXPECT_EQ(diagnose(said(each.reply, Stage::rcpt)).is_greylisting, each.want) << each.reply;
    EXPECT_FALSE(diagnose({.status = {4, 2, 0}, .text = "greylisted"}).is_greylisting)
        << "our own words";
}

TEST(Diagnosis, a_missing_keyword_is_ours_to_say) {
    for (const std::uint16_t detail : std::initializer_list<std::uint16_t>{1, 3, 7}) {
        DeliveryError error{.status = {4, 6, detail}, .scope = Scope::message};
        EXPECT_TRUE(diagnose(error).is_missing_keyword);
        error.reply_code = 554;
        EXPECT_FALSE(diagnose(error).is_missing_keyword) << "the host has refused the message";
    }
    EXPECT_FALSE(diagnose({.status = {4, 6, 2}}).is_missing_keyword);
}

TEST(Diagnosis, does_not_depend_on_the_class_or_the_host) {
    auto error = said("550 5.7.1 Client host [192.0.2.1] blocked using zen.example", Stage::rcpt);
    const auto meaning = diagnose(error);
    error.status.klass = 4;
    error.remote = "mx.them.example [192.0.2.9]:25";
    EXPECT_EQ(diagnose(error), meaning);
}

// What the collection calls each reply, and what delivery and bounces make of it.
TEST(Diagnosis, of_the_replies_of_real_servers) {
    std::ifstream file("tests/smtp/data/smtp-replies.tsv");
    ASSERT_TRUE(file) << "run from the top of the source tree";
    std::map<std::string, std::map<Cause, int>> causes_of;
    std::map<std::string, int> about_our_address;
    for (std::string row; std::getline(file, row);) {
        const auto tab = row.find('\t');
        const std::string reason = row.substr(0, tab);
        std::string_view wire = row += "\r\n";
        wire.remove_prefix(tab + 1);
        const auto parsed = smtp::ReplyParser{}.feed(wire);
        ASSERT_TRUE(parsed && *parsed) << row;
        if ((*parsed)->first_digit() == 2) continue;
        const auto meaning = diagnose(smtp::error_from_reply(Stage::rcpt, **parsed));
        ++causes_of[reason][meaning.cause];
        if (meaning.is_about_our_address) ++about_our_address[reason];
        EXPECT_FALSE(meaning.is_too_many_connections) << row;
        EXPECT_FALSE(meaning.is_greylisting) << row;
        EXPECT_FALSE(meaning.is_missing_keyword) << row;
    }
    EXPECT_EQ(causes_of["mailboxfull"][Cause::mailbox_full], 12);
    EXPECT_EQ(causes_of["userunknown"][Cause::no_mailbox], 44);
    EXPECT_EQ(causes_of["userunknown"][Cause::spam], 0);
    EXPECT_EQ(about_our_address["userunknown"], 0);
    EXPECT_EQ(about_our_address["requireptr"], 3);
    EXPECT_EQ(about_our_address["blocked"], 7);
}

}  // namespace
}  // namespace mta::diagnosis
