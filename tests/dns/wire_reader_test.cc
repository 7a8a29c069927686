#include "dns/wire_reader.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/dns/message_builder.h"

namespace dns {
namespace {
using test::MessageBuilder;
using test::Section;
using test::wire_name;

const Question question{"them.example", RecordType::mx};
constexpr std::size_t question_at = 12;

struct NameCase {
    std::string what;
    std::string bytes;
    std::optional<std::string> name;
    std::size_t end = 0;  // where the reader stands behind a good name
};

TEST(WireReader, takes_names_and_refuses_broken_ones) {
    const std::string long_label(64, 'a');
    std::string long_name;
    for (int i = 0; i < 5; ++i) long_name += '\x3f' + std::string(63, 'a');
    const NameCase rows[] = {
        {"two labels", wire_name("Them.Example"), "them.example", 14},
        {"the root", std::string(1, '\0'), ".", 1},
        {"bytes that no host name has",
         std::string("\x03"
                     "a.\n",
                     4) +
             '\0',
         "a\\046\\010", 5},
        {"a label type without a meaning", std::string("\x40") + long_label, std::nullopt},
        {"more than 255 bytes", long_name + '\0', std::nullopt},
        {"a label beyond the end", "\x05them", std::nullopt},
        {"no closing root", "\x04them", std::nullopt},
        {"half a pointer", "\x04them\xc0", std::nullopt},
        {"a pointer to itself", std::string("\xc0\x00", 2), std::nullopt},
        {"a pointer forwards", std::string("\xc0\x02\x00", 3), std::nullopt},
        {"nothing", "", std::nullopt},
    };
    for (const auto& row : rows) {
        WireReader reader(row.bytes);
        EXPECT_EQ(reader.take_name(), row.name) << row.what;
        if (row.name) {
            EXPECT_EQ(reader.at(), row.end) << row.what;
        }
    }
}

TEST(WireReader, follows_a_pointer_backwards_and_goes_on_behind_it) {
    const auto bytes =
        wire_name("them.example") + "\x03www" + MessageBuilder::pointer(0) + "\x01\x02";
    WireReader reader(bytes);
    reader.go_to(14);
    EXPECT_EQ(reader.take_name(), "www.them.example");
    EXPECT_EQ(reader.take_u16(), 0x0102);
    EXPECT_EQ(reader.take_u16(), std::nullopt);
}

TEST(WireReader, takes_a_header) {
    const auto bytes =
        MessageBuilder(question).flags(0x8380).rcode(3).mx(question.name, 1, "mx.example").build();
    WireReader reader(bytes);
    const auto header = reader.take_header();
    ASSERT_TRUE(header);
    EXPECT_EQ(header->rcode, 3u);
    EXPECT_TRUE(header->is_reply);
    EXPECT_TRUE(header->is_truncated);
    EXPECT_EQ(header->questions, 1u);
    EXPECT_EQ(header->answers, 1u);
    EXPECT_EQ(header->authorities, 0u);
    EXPECT_EQ(reader.at(), question_at);
    EXPECT_FALSE(WireReader(bytes.substr(0, 11)).take_header());
}

// The position behind the question, where the records begin.
WireReader behind_question(const std::string& bytes) {
    WireReader reader(bytes);
    reader.go_to(question_at + wire_name(question.name).size() + 4);
    return reader;
}

TEST(WireReader, takes_a_record_and_stands_behind_its_data) {
    const auto bytes = MessageBuilder(question)
                           .record(Section::answer, MessageBuilder::pointer(), 15, 60, "data")
                           .record(Section::answer, wire_name("."), 41, 0x01000000, "")
                           .build();
    auto reader = behind_question(bytes);
    const auto record = reader.take_record();
    ASSERT_TRUE(record);
    EXPECT_TRUE(record->is(15, "them.example"));
    EXPECT_FALSE(record->is(15, "other.example"));
    EXPECT_FALSE(record->is(16, "them.example"));
    EXPECT_EQ(record->ttl_s, 60u);
    EXPECT_EQ(bytes.substr(record->data_at, record->data_size()), "data");
    const auto opt = reader.take_record();
    ASSERT_TRUE(opt);
    EXPECT_EQ(opt->opt_extended_rcode, 1u);
    EXPECT_EQ(reader.at(), bytes.size());
    EXPECT_FALSE(reader.take_record());
}

TEST(WireReader, takes_a_ttl_beyond_31_bits_for_0) {
    const auto bytes = MessageBuilder(question)
                           .record(Section::answer, MessageBuilder::pointer(), 15, 0x80000000, "")
                           .build();
    const auto record = behind_question(bytes).take_record();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->ttl_s, 0u);
}

TEST(WireReader, skips_a_broken_owner_and_still_finds_the_next_record) {
    const auto bytes = MessageBuilder(question)
                           .record(Section::answer, MessageBuilder::pointer(0x3ff), 15, 60, "data")
                           .record(Section::answer, wire_name("a.example"), 15, 60, "more")
                           .build();
    auto reader = behind_question(bytes);
    const auto broken = reader.take_record();
    ASSERT_TRUE(broken);
    EXPECT_FALSE(broken->owner);
    const auto next = reader.take_record();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->owner, "a.example");
}

TEST(WireReader, takes_no_record_that_the_message_ends_in) {
    const auto bytes = MessageBuilder(question)
                           .record(Section::answer, wire_name("a.example"), 15, 60, "data")
                           .build();
    const auto begin = question_at + wire_name(question.name).size() + 4;
    for (auto size = begin; size < bytes.size(); ++size) {
        const auto cut = bytes.substr(0, size);
        EXPECT_FALSE(behind_question(cut).take_record()) << size;
    }
}

}  // namespace
}  // namespace dns
