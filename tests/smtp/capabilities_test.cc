#include "mta/smtp/syntax/capabilities.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

struct Case {
    const char* name;
    std::vector<std::string> lines;  // behind the greeting
    Capabilities want;
};

const Case cases[] = {
    {"nothing", {}, {}},
    {"flags",
     {"PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES",
      "STARTTLS", "REQUIRETLS"},
     {.pipelining = true,
      .eight_bit_mime = true,
      .smtputf8 = true,
      .dsn = true,
      .chunking = true,
      .binary_mime = true,
      .enhanced_status_codes = true,
      .starttls = true,
      .requiretls = true}},
    {"any_case", {"pipelining", "8BitMime"}, {.pipelining = true, .eight_bit_mime = true}},
    {"trailing_space", {"PIPELINING "}, {.pipelining = true}},
    {"parameters_behind_a_flag", {"DSN a b"}, {.dsn = true}},
    {"longer_keyword_is_another", {"PIPELININGX", "XDSN", "SIZES 5"}, {}},
    {"keyword_in_the_text", {"X PIPELINING"}, {}},
    {"size", {"SIZE 35882577"}, {.size = true, .size_bytes_max = 35882577}},
    {"size_alone", {"SIZE"}, {.size = true}},
    {"size_zero", {"SIZE 0"}, {.size = true}},
    {"size_nonsense", {"SIZE lots"}, {.size = true}},
    {"size_negative", {"SIZE -1"}, {.size = true}},
    {"size_beyond_64_bits", {"SIZE 99999999999999999999"}, {.size = true}},
    {"mt_priority", {"MT-PRIORITY"}, {.mt_priority = true}},
    {"mt_priority_with_its_profile", {"MT-PRIORITY MIXER"}, {.mt_priority = true}},
    {"deliver_by", {"DELIVERBY"}, {.deliver_by = true}},
    {"deliver_by_least", {"deliverby 240"}, {.deliver_by = true, .deliver_by_min_s = 240}},
    {"deliver_by_nonsense", {"DELIVERBY soon"}, {.deliver_by = true}},
    {"auth", {"AUTH PLAIN login"}, {.auth_mechanisms = {"PLAIN", "LOGIN"}}},
    {"old_auth", {"AUTH=LOGIN PLAIN"}, {.auth_mechanisms = {"LOGIN", "PLAIN"}}},
    {"both_auths",
     {"AUTH LOGIN PLAIN", "AUTH=LOGIN XOAUTH2"},
     {.auth_mechanisms = {"LOGIN", "PLAIN", "XOAUTH2"}}},
    {"limits",
     {"LIMITS RCPTMAX=50 MAILMAX=20 RCPTDOMAINMAX=1"},
     {.recipients_max = 50, .transactions_max = 20, .recipient_domains_max = 1}},
    {"limits_any_case_and_unknown", {"limits rcptmax=7 FOO=1 BAR"}, {.recipients_max = 7}},
    {"limits_nonsense", {"LIMITS RCPTMAX=0 MAILMAX=x RCPTDOMAINMAX=99999999999"}, {}},
};

class CapabilitiesTable : public testing::TestWithParam<Case> {};

TEST_P(CapabilitiesTable, reads_the_ehlo_reply) {
    // The first line is a greeting, whatever it says.
    Reply reply{250, {"DSN"}};
    reply.lines.insert(reply.lines.end(), GetParam().lines.begin(), GetParam().lines.end());
    EXPECT_EQ(parse_capabilities(reply), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(, CapabilitiesTable, testing::ValuesIn(cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Capabilities, keeps_a_bounded_number_of_mechanisms) {
    std::string line = "AUTH";
    for (int i = 0; i < 500; ++i) line += " M" + std::to_string(i);
    EXPECT_EQ(parse_capabilities({250, {"hi", line, line}}).auth_mechanisms.size(), 32u);
}

TEST(Capabilities, are_empty_without_any_line) {
    EXPECT_EQ(parse_capabilities({250, {}}), Capabilities{});
}

}  // namespace
}  // namespace mta::smtp
