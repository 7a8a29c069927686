#include "mta/base/printable.h"

#include <gtest/gtest.h>

namespace mta {
namespace {

constexpr std::string_view replaced = "\xef\xbf\xbd";

TEST(Printable, is_one_line_that_moves_no_cursor) {
    EXPECT_EQ(printable(""), "");
    EXPECT_EQ(printable("450 4.7.1 greylisted\ncome back"), "450 4.7.1 greylisted / come back");
    EXPECT_EQ(printable("\x1b[2Jc\td\r\x7f"), "[2Jcd");
    EXPECT_EQ(printable(std::string_view("a\0b", 3)), "ab");
}

TEST(Printable, keeps_the_words_of_all_languages) {
    for (const auto* const text :
         {"b\u00f6b@them.example", "\u00a0", "\u061b\u061d", "\u200d\u2010\u2027\u202f\u2065\u206a",
          "\ufefe\uff00", "\u4f60\u597d", "\U0001F4EE", "\U0010FFFF"}) {
        EXPECT_EQ(printable(text), text);
    }
}

TEST(Printable, replaces_what_misleads_a_terminal_or_its_reader) {
    for (const auto* const character :
         {"\xc2\x80", "\xc2\x9b", "\xc2\x9f", "\u061c", "\u200e", "\u200f", "\u2028", "\u2029",
          "\u202a", "\u202e", "\u2066", "\u2069", "\ufeff"}) {
        EXPECT_EQ(printable(std::string("a") + character + 'b'), 'a' + std::string(replaced) + 'b')
            << testing::PrintToString(character);
    }
}

TEST(Printable, replaces_bytes_that_are_no_utf8_one_by_one) {
    const std::string r(replaced);
    EXPECT_EQ(printable("\u00e4\xe4 \x9b!"), "\u00e4" + r + ' ' + r + '!');
    EXPECT_EQ(printable("\xe2\x80"), r + r) << "cut off";
    EXPECT_EQ(printable("\xc0\x9b"), r + r) << "overlong";
}

}  // namespace
}  // namespace mta
