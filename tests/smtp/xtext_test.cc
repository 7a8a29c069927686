#include "mta/smtp/syntax/xtext.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using namespace std::literals;

TEST(Xtext, decodes_what_it_encodes) {
    std::string every_byte;
    for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
    EXPECT_EQ(decode_xtext(encode_xtext(every_byte)), every_byte);
    EXPECT_EQ(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
}

TEST(Xtext, is_strict) {
    EXPECT_EQ(decode_xtext(""), "");
    for (const auto text : {"+"sv, "a+"sv, "+2"sv, "+2b"sv, "+GG"sv, "a=b"sv, "a b"sv, "a\x7f"sv,
                            "\xc3\xbc"sv, "a\0"sv}) {
        EXPECT_EQ(decode_xtext(text), std::nullopt) << text;
    }
}

TEST(Xtext, knows_orcpt) {
    const auto ok = [](std::string_view value) { return is_valid_orcpt(value, false); };
    EXPECT_TRUE(ok("rfc822;a+2Bb@c.example"));
    EXPECT_TRUE(ok("RFC822;a+20b"));
    EXPECT_FALSE(ok("rfc822"));
    EXPECT_FALSE(ok("rfc822;"));
    EXPECT_FALSE(ok(";a@b"));
    EXPECT_FALSE(ok("rfc 822;a@b"));
    EXPECT_FALSE(ok("rfc(822;a@b"));
    EXPECT_FALSE(ok("rfc822;a=b"));
    EXPECT_FALSE(ok("rfc822;a+0D+0Ab"));
    EXPECT_FALSE(ok("rfc822;a+00b"));
    EXPECT_FALSE(ok("rfc822;a+7Fb"));
    EXPECT_FALSE(ok("rfc822;a+C3+BC"));
    EXPECT_FALSE(ok("rfc822;\xc3\xbc@b"));
    EXPECT_TRUE(ok("rfc822;" + std::string(500, 'a')));
    EXPECT_FALSE(ok("rfc822;" + std::string(501, 'a')));
}

TEST(Xtext, writes_an_address_in_utf8_in_seven_bits) {
    EXPECT_EQ(encode_utf8_address("\xc3\xbc+=\\ \xe2\x82\xac\xf0\x9f\x93\xa7@b.example"),
              "\\x{FC}\\x{2B}\\x{3D}\\x{5C}\\x{20}\\x{20AC}\\x{1F4E7}@b.example");
    for (const auto address :
         {"b\xc3\xbc@b.example"sv, "\"a b\\\"=+\"@\xc3\xbc.example"sv, "a@b"sv})
        EXPECT_EQ(decode_utf8_address(encode_utf8_address(address), false), address);
}

TEST(Xtext, knows_orcpt_of_rfc_6533) {
    EXPECT_TRUE(is_valid_orcpt("utf-8;\\x{FC}@b.example", false));
    EXPECT_TRUE(is_valid_orcpt("UTF-8;a@b.example", false));
    EXPECT_TRUE(is_valid_orcpt("utf-8;\xc3\xbc@b.example", true));
    EXPECT_FALSE(is_valid_orcpt("utf-8;\xc3\xbc@b.example", false));
    EXPECT_FALSE(is_valid_orcpt("rfc822;\xc3\xbc@b.example", true));
    EXPECT_EQ(decode_utf8_address("a\\x{20AC}\\x{1F4E7}\\x{FC}\\x{2B}\\x{5C}", false),
              "a\xe2\x82\xac\xf0\x9f\x93\xa7\xc3\xbc+\\");
    for (const auto text :
         {"\\x{}"sv, "\\x{41}"sv, "\\x{0A}"sv, "\\x{7F}"sv, "\\x{85}"sv, "\\x{0FC}"sv,
          "\\x{D800}"sv, "\\x{110000}"sv, "\\x{1000000}"sv, "\\x{FC"sv, "\\x41"sv, "\\"sv,
          "\\x{fg}"sv, "a+b"sv, "a=b"sv, "a b"sv}) {
        EXPECT_EQ(decode_utf8_address(text, true), std::nullopt) << text;
    }
    EXPECT_EQ(decode_utf8_address("\xff", true), std::nullopt);
    EXPECT_EQ(decode_utf8_address("\xc2\x85", true), std::nullopt);
}

TEST(Xtext, knows_envid) {
    EXPECT_TRUE(is_valid_envid("QQ314159"));
    EXPECT_TRUE(is_valid_envid("a+20b"));
    EXPECT_TRUE(is_valid_envid(std::string(100, 'a')));
    EXPECT_FALSE(is_valid_envid(std::string(101, 'a')));
    EXPECT_FALSE(is_valid_envid(""));
    EXPECT_FALSE(is_valid_envid("a+0D+0A"));
    EXPECT_FALSE(is_valid_envid("a+09b"));
    EXPECT_FALSE(is_valid_envid("a+FF"));
    EXPECT_FALSE(is_valid_envid("a=b"));
}

}  // namespace
}  // namespace mta::smtp
