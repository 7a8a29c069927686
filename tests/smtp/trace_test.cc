#include "mta/smtp/server/trace.h"

#include <algorithm>
#include <regex>

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using namespace std::literals;

Trace example() {
    return {.helo_name = "client.example",
            .remote = *IpAddress::parse("2001:db8::7"),
            .hostname = "relay.us.example",
            .queue_id = "00001z",
            .only_recipient = {},
            .now = from_unix_ms(1'795'320'306'000)};
}

TEST(Trace, is_a_received_field) {
    auto trace = example();
    EXPECT_EQ(format_received(trace),
              "Received: from client.example ([IPv6:2001:db8::7])\r\n"
              "\tby relay.us.example (Posthouse) with ESMTP id 00001z;\r\n"
              "\tSun, 22 Nov 2026 04:05:06 +0000\r\n");
    trace.only_recipient = "\"a b\"@c.example";
    EXPECT_NE(format_received(trace).find("00001z\r\n\tfor <\"a b\"@c.example>;\r\n"),
              std::string::npos);
    trace.priority = -4;
    EXPECT_NE(format_received(trace).find("@c.example>\r\n\tpriority -4;\r\n"), std::string::npos);
}

TEST(Trace, names_the_protocol) {
    struct Case {
        bool is_extended, is_smtputf8, is_tls, is_authenticated;
        std::string_view name;
    };
    const Case cases[] = {
        {false, false, false, false, "SMTP"},   {true, false, false, false, "ESMTP"},
        {true, false, false, true, "ESMTPA"},   {true, false, true, false, "ESMTPS"},
        {true, false, true, true, "ESMTPSA"},   {true, true, false, false, "UTF8SMTP"},
        {true, true, false, true, "UTF8SMTPA"}, {true, true, true, false, "UTF8SMTPS"},
        {true, true, true, true, "UTF8SMTPSA"},
    };
    for (const auto& test : cases) {
        auto trace = example();
        trace.is_extended = test.is_extended;
        trace.is_smtputf8 = test.is_smtputf8;
        trace.is_tls = test.is_tls;
        trace.is_authenticated = test.is_authenticated;
        EXPECT_EQ(with_protocol(trace), test.name);
    }
}

// Whatever the client calls itself, the field stays one field and its comments stay ours.
TEST(Trace, lets_no_name_in_that_could_be_more_than_a_name) {
    const std::string_view names[] = {"",         "a\r\nEvil: b", "a) by evil (b", "a;b",  "a b",
                                      "\xc3\xbc", "a\0b"sv,       "<a>",           "a\"b", "a\\b"};
    const std::regex field(
        R"(Received: from [A-Za-z0-9.?:_\[\]-]+ \(\[IPv6:2001:db8::7\]\)\r\n\tby relay[ -~]+\r\n\t[ -~]+\r\n)");
    for (const auto name : names) {
        auto trace = example();
        trace.helo_name = name;
        EXPECT_TRUE(std::regex_match(format_received(trace), field)) << format_received(trace);
    }
    EXPECT_EQ(sanitise_helo_name("[192.0.2.1]"), "[192.0.2.1]");
    EXPECT_EQ(sanitise_helo_name("a b_c-d.example"), "a?b_c-d.example");
    EXPECT_EQ(sanitise_helo_name(""), "unknown");
}

TEST(Trace, keeps_its_lines_short) {
    auto trace = example();
    const std::string name(5000, 'x');
    const std::string recipient = std::string(64, 'r') + '@' + std::string(255, 'd');
    trace.helo_name = name;
    trace.only_recipient = recipient;
    const std::string field = format_received(trace);
    std::string_view rest = field;
    while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find("\r\n"));
        EXPECT_LT(line.size(), 998U);
        rest.remove_prefix(line.size() + 2);
    }
}

}  // namespace
}  // namespace mta::smtp
