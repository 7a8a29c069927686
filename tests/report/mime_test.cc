#include "mta/report/mime.h"

#include <gtest/gtest.h>

namespace mta::report {
namespace {

TEST(Mime, one_line_keeps_utf8_only_where_it_may_and_controls_nowhere) {
    EXPECT_EQ(to_one_line("a\r\nb\tc\x7f", Charset::utf8), "a  b c ");
    EXPECT_EQ(to_one_line("gr\u00fcn", Charset::utf8), "gr\u00fcn");
    EXPECT_EQ(to_one_line("gr\u00fcn", Charset::ascii), "gr??n");
    EXPECT_EQ(to_one_line("gr\xfcn", Charset::utf8), "gr?n");
    EXPECT_EQ(to_one_line(std::string_view("a\0b", 3), Charset::ascii), "a b");
}

TEST(Mime, fields_are_folded_at_blanks_and_nowhere_end_the_header) {
    EXPECT_EQ(fold_field("A", ""), "A:\r\n");
    EXPECT_EQ(fold_field("A", "   \n  "), "A:\r\n");
    EXPECT_EQ(fold_field("A", "b  c\nd"), "A: b c\r\n d\r\n");
    EXPECT_EQ(fold_field("A", std::string(80, 'x') + " y"),
              "A: " + std::string(80, 'x') + "\r\n y\r\n");
    std::string words;
    for (int i = 0; i < 50; ++i) words += "word ";
    const auto folded = fold_field("Name", words);
    for (std::string_view rest = folded; !rest.empty();) {
        const auto end = rest.find("\r\n");
        EXPECT_LE(end, 78u);
        EXPECT_GT(end, 1u);
        rest.remove_prefix(end + 2);
    }
    EXPECT_LE(facts_of(fold_field("Name", std::string(5000, 'x'))).line_bytes_max, 1000u);
}

TEST(Mime, header_text_is_ascii) {
    EXPECT_EQ(to_header_text("Re: lunch", 100), "Re: lunch");
    EXPECT_EQ(to_header_text("=?utf-8?q?=C3=A4?= x", 100), "=?utf-8?q?=C3=A4?= x");
    EXPECT_EQ(to_header_text("\u00e4", 100), "=?utf-8?q?=C3=A4?=");
    EXPECT_EQ(to_header_text("a \u00e4 \u00f6 b", 100),
              "a =?utf-8?q?=C3=A4?= =?utf-8?q?_=C3=B6?= b");
    EXPECT_EQ(to_header_text("\xe4 b", 100), "? b");
    EXPECT_EQ(to_header_text("one two three", 8), "one two ...");
    EXPECT_EQ(to_header_text("", 8), "");
}

TEST(Mime, quoted_printable) {
    EXPECT_EQ(to_quoted_printable("a=b \r\nc\t\r\n"), "a=3Db=20\r\nc=09\r\n");
    EXPECT_EQ(to_quoted_printable("\r\n.\r\nFrom x\r\n"), "\r\n=2E\r\n=46rom x\r\n");
    EXPECT_EQ(to_quoted_printable("a\nb\rc"), "a=0Ab=0Dc");
    EXPECT_EQ(to_quoted_printable(std::string(76, 'x')), std::string(75, 'x') + "=\r\nx");
    EXPECT_EQ(to_quoted_printable("\u00e4"), "=C3=A4");
}

TEST(Mime, xtext) {
    EXPECT_EQ(from_xtext("a+2Bb+3D"), "a+b=");
    EXPECT_EQ(from_xtext("a+2b+2+"), "a+2b+2+");
}

TEST(Mime, plain_lines_only_are_canonical) {
    EXPECT_TRUE(is_canonical_text(""));
    EXPECT_TRUE(is_canonical_text("a\r\n\r\nb"));
    EXPECT_TRUE(is_canonical_text(std::string(998, 'x') + "\r\n"));
    EXPECT_FALSE(is_canonical_text(std::string(999, 'x') + "\r\n"));
    EXPECT_FALSE(is_canonical_text(std::string(999, 'x')));
    EXPECT_FALSE(is_canonical_text("a\nb"));
    EXPECT_FALSE(is_canonical_text("a\r\r\nb"));
    EXPECT_FALSE(is_canonical_text("a\r"));
    EXPECT_FALSE(is_canonical_text(std::string_view("a\0b", 3)));
}

TEST(Mime, facts_are_counted_as_the_message_is_stored) {
    const auto facts = facts_of("A: b\r\nC: \u00e4\r\n\r\n.dot\r\nlonger line\r\n");
    EXPECT_EQ(facts.size, 34u);
    EXPECT_EQ(facts.header_bytes, 13u);
    EXPECT_TRUE(facts.has_8bit);
    EXPECT_TRUE(facts.header_has_8bit);
    EXPECT_TRUE(facts.has_leading_dots);
    EXPECT_EQ(facts.line_bytes_max, 13u);
    EXPECT_TRUE(facts_of(".a").has_leading_dots);
    EXPECT_EQ(facts_of("").header_bytes, 0u);
    EXPECT_EQ(facts_of("\r\nx.y\r\n\r\n").header_bytes, 0u);
    EXPECT_EQ(facts_of("A: b\r\n").header_bytes, 6u);
    EXPECT_FALSE(facts_of("A: b\r\n\r\n\u00e4").header_has_8bit);
    EXPECT_FALSE(facts_of("A: b\r\n\r\nx.y").has_leading_dots);
}

}  // namespace
}  // namespace mta::report
