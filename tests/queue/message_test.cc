#include "queue/message.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

TEST(MessageId, is_written_in_base_32_and_read_in_either_case) {
    const std::pair<MessageId, const char*> rows[] = {
        {1, "000001"},         {63, "00001z"},
        {32, "000010"},        {(1u << 30) - 1, "zzzzzz"},
        {1u << 30, "1000000"}, {message_id_max, "7zzzzzzzzz"}};
    for (const auto& [id, text] : rows) {
        EXPECT_EQ(format_id(id), text);
        EXPECT_EQ(parse_id(text), id);
    }
    EXPECT_EQ(parse_id("00001Z"), 63u);
    EXPECT_EQ(parse_id("0000000000001"), 1u);
}

TEST(MessageId, is_nothing_else) {
    for (const auto* const text :
         {"", "1", "00001", "00001!", "00001i", "00001l", "00001o", "00001u", "8000000000",
          "zzzzzzzzzzzzz", "00000000000001", "00001 "}) {
        EXPECT_EQ(parse_id(text), std::nullopt) << text;
    }
}

std::uint32_t hash_of(const std::string& address, const std::string& domain) {
    return hash_of_address(Recipient{.address = address, .domain = domain});
}

TEST(MessageHashes, of_an_address_do_not_depend_on_how_it_is_typed) {
    const auto hash = hash_of("bob@them.example", "them.example");
    EXPECT_EQ(hash_of("Bob@THEM.example", "them.example"), hash);
    EXPECT_NE(hash_of("bop@them.example", "them.example"), hash);
    EXPECT_NE(hash_of("bob@them.example", "then.example"), hash);
    EXPECT_NE(hash_of("bob", "them.example"), hash_of("bob", ""));
    EXPECT_EQ(hash_of("bob@b\xc3\xbc\x63her.example", "xn--bcher-kva.example"),
              hash_of("bob@xn--bcher-kva.example", "xn--bcher-kva.example"));
    EXPECT_EQ(hash_of("\"a@b\"@them.example", "them.example"),
              hash_of("\"A@b\"@them.example", "them.example"));
    // What is on disk must stay the same.
    EXPECT_EQ(hash, 0x36477876u);
}

TEST(MessageHashes, of_a_message_id_are_of_what_stands_between_the_brackets) {
    const std::pair<const char*, const char*> rows[] = {{"<abc@def>", "abc@def"},
                                                        {"abc@def", "abc@def"},
                                                        {"<abc@def> (from here)", "abc@def"},
                                                        {"(comment) <abc@def>", "abc@def"},
                                                        {"<abc@def", "<abc@def"},
                                                        {"abc@def>", "abc@def>"},
                                                        {"a>b<c>", "c"},
                                                        {"<>", ""},
                                                        {"", ""}};
    for (const auto& [field, bare] : rows) EXPECT_EQ(bare_message_id(field), bare) << field;
    EXPECT_EQ(hash_of_message_id("<abc@def>"), hash_of_message_id("abc@def"));
    EXPECT_NE(hash_of_message_id("<abc@def>"), hash_of_message_id("<Abc@def>"));
}

}  // namespace
}  // namespace queue
