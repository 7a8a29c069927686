#include "mta/base/domain.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

const std::string label63(63, 'a');
const std::string domain253 = label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'a');

struct DomainCase {
    std::string text;
    bool valid;  // is_valid_domain
    std::optional<std::string> a_labels;
};

const DomainCase domain_cases[] = {
    {"office.example", true, "office.example"},
    {"OFFICE.Example", true, "office.example"},
    {"localhost", true, "localhost"},
    {"a-b.c--d.example", true, "a-b.c--d.example"},
    {"_dmarc.host_1.example", true, "_dmarc.host_1.example"},
    {"1.2.example", true, "1.2.example"},
    {"office.example.", false, "office.example"},
    {"office.example..", false, std::nullopt},
    {"", false, std::nullopt},
    {".", false, std::nullopt},
    {".office.example", false, std::nullopt},
    {"office..example", false, std::nullopt},
    {"-office.example", false, std::nullopt},
    {"office-.example", false, std::nullopt},
    {"off ice.example", false, std::nullopt},
    {"office.example\r\n", false, std::nullopt},
    {"off/ice.example", false, std::nullopt},
    {"[192.0.2.1]", false, std::nullopt},
    {"me@office.example", false, std::nullopt},
    {std::string("office\0.example", 15), false, std::nullopt},
    {label63 + ".example", true, label63 + ".example"},
    {label63 + "a.example", false, std::nullopt},
    {domain253, true, domain253},
    {domain253 + "a", false, std::nullopt},
    {domain253 + ".", false, domain253},
    // Letters of other scripts (RFC 5890, non-transitional: the sharp s stays itself).
    {"b\xc3\xbcro.example", false, "xn--bro-hoa.example"},
    {"B\xc3\x9cRO.Example", false, "xn--bro-hoa.example"},
    {"stra\xc3\x9f"
     "e.example",
     false, "xn--strae-oqa.example"},
    {"bu\xcc\x88ro.example", false, "xn--bro-hoa.example"},  // u and a combining diaeresis
    {"xn--bro-hoa.example", true, "xn--bro-hoa.example"},
    {"b\xfcro.example", false, std::nullopt},  // Latin-1
    {"b\xc3\xbcro..example", false, std::nullopt},
    {std::string(1001, '\xc3'), false, std::nullopt},
};

TEST(Domain, is_valid_in_ascii) {
    for (const auto& row : domain_cases)
        EXPECT_EQ(is_valid_domain(row.text), row.valid) << row.text;
}

TEST(Domain, becomes_a_labels) {
    for (const auto& row : domain_cases) EXPECT_EQ(to_a_labels(row.text), row.a_labels) << row.text;
}

TEST(Domain, a_labels_stay_what_they_are) {
    for (const auto& row : domain_cases) {
        if (!row.a_labels) continue;
        EXPECT_EQ(to_a_labels(*row.a_labels), row.a_labels);
        EXPECT_TRUE(is_valid_domain(*row.a_labels)) << *row.a_labels;
    }
}

TEST(Domain, is_under_its_parents_and_not_under_itself) {
    EXPECT_TRUE(is_under("mail.office.example", "office.example"));
    EXPECT_TRUE(is_under("a.b.office.example", "office.example"));
    EXPECT_TRUE(is_under("office.example", "example"));
    EXPECT_FALSE(is_under("office.example", "office.example"));
    EXPECT_FALSE(is_under("example", "office.example"));
    EXPECT_FALSE(is_under("myoffice.example", "office.example"));
    EXPECT_FALSE(is_under(".office.example", "office.example"));
    EXPECT_FALSE(is_under("mail.office.example.org", "office.example"));
}

TEST(Case, is_ascii_only) {
    EXPECT_EQ(to_lower("AZaz09@[`{"), "azaz09@[`{");
    EXPECT_EQ(to_lower("\xc3\x9c"), "\xc3\x9c");
    EXPECT_TRUE(equals_ignoring_case("Mail FROM", "mAIL from"));
    EXPECT_FALSE(equals_ignoring_case("mail", "mails"));
    EXPECT_FALSE(equals_ignoring_case("@", "`"));  // apart by the bit of the case
    EXPECT_FALSE(equals_ignoring_case("[", "{"));
    EXPECT_FALSE(equals_ignoring_case("\xc3\x9c", "\xc3\xbc"));
}

struct Utf8Case {
    std::string_view bytes;
    bool utf8;
};

const Utf8Case utf8_cases[] = {
    {"", true},
    {"plain", true},
    {"\x7f", true},
    {"\xc2\x80", true},          // the first of two bytes
    {"\xdf\xbf", true},          // the last
    {"\xe0\xa0\x80", true},      // the first of three
    {"\xed\x9f\xbf", true},      // before the surrogates
    {"\xee\x80\x80", true},      // behind them
    {"\xef\xbf\xbf", true},      // the last of three
    {"\xf0\x90\x80\x80", true},  // the first of four
    {"\xf4\x8f\xbf\xbf", true},  // U+10FFFF
    {"a\xc3\xbcz", true},
    {"\x80", false},  // a continuation alone
    {"\xbf", false},
    {"\xc0\x80", false},  // overlong
    {"\xc1\xbf", false},
    {"\xe0\x9f\xbf", false},
    {"\xf0\x8f\xbf\xbf", false},
    {"\xed\xa0\x80", false},  // a surrogate
    {"\xed\xbf\xbf", false},
    {"\xf4\x90\x80\x80", false},  // beyond U+10FFFF
    {"\xf5\x80\x80\x80", false},
    {"\xff", false},
    {"\xc3", false},  // cut
    {"\xe2\x82", false},
    {"\xf0\x9f\x93", false},
    {"\xc3z", false},  // no continuation
    {"\xe2\x82z", false},
    {"\xf0\x9f\x93z", false},
    {"\xc3\xc3", false},
};

TEST(Utf8, is_well_formed_or_not) {
    for (const auto& row : utf8_cases) {
        EXPECT_EQ(is_utf8(row.bytes), row.utf8) << testing::PrintToString(row.bytes);
        EXPECT_EQ(is_utf8("x" + std::string(row.bytes) + "y"), row.utf8);
    }
}

TEST(Ascii, has_no_high_bit) {
    EXPECT_TRUE(is_ascii(""));
    EXPECT_TRUE(is_ascii(std::string_view("\0\x7f", 2)));
    EXPECT_FALSE(is_ascii("a\x80"));
    EXPECT_FALSE(is_ascii("\xff"));
}

TEST(ContainsIgnoringCase, looks_for_a_part_in_lower_case) {
    struct Row {
        const char* text;
        const char* part;
        bool is_there;
    };
    const Row rows[] = {{"450 4.7.1 GreyListed", "greylisted", true},
                        {"450 4.7.1 GreyListed", "4.7.1 g", true},
                        {"450 4.7.1 GreyListed", "listedx", false},
                        {"aab", "ab", true},
                        {"ab", "abc", false},
                        {"", "a", false},
                        {"a", "", true},
                        {"", "", true}};
    for (const auto& row : rows)
        EXPECT_EQ(contains_ignoring_case(row.text, row.part), row.is_there) << row.text;
}

}  // namespace
}  // namespace mta
