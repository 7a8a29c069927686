#include "mta/diagnosis/reply_words.h"

#include <string>

#include <gtest/gtest.h>

#include "mta/diagnosis/reply_policy.h"

namespace mta::smtp {
namespace {

DeliveryError said(const std::string& line, Stage stage) {
    Reply reply;
    reply.code = static_cast<std::uint16_t>(std::stoi(line.substr(0, 3)));
    reply.lines = {line.substr(4)};
    return error_from_reply(stage, reply);
}

struct Case {
    const char* reply;
    bool want;
};

TEST(ReplyWords, too_many_connections_of_the_servers_that_there_are) {
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
        EXPECT_EQ(is_too_many_connections(said(each.reply, Stage::greeting)), each.want)
            << each.reply;
    EXPECT_FALSE(is_too_many_connections(said("450 4.2.1 too many connections", Stage::rcpt)))
        << "about a mailbox";
    EXPECT_FALSE(is_too_many_connections({.scope = Scope::host, .text = "too many connections"}))
        << "our own words";
}

TEST(ReplyWords, about_our_address_and_not_about_the_message) {
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
        EXPECT_EQ(is_about_our_address(said(each.reply, Stage::rcpt)), each.want) << each.reply;
    EXPECT_FALSE(is_about_our_address({.text = "your IP"})) << "our own words";
}

TEST(ReplyWords, about_a_reverse_name_and_not_about_the_rest_of_our_address) {
    const auto is_meant = [](EnhancedStatus status, const std::string& text) {
        return is_about_reverse_name(
            {.status = status, .scope = Scope::message, .reply_code = 550, .text = text});
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
    EXPECT_FALSE(is_about_reverse_name({.status = {5, 7, 25}, .text = "our own words"}));
}

}  // namespace
}  // namespace mta::smtp
