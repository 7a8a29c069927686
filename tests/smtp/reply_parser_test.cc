#include "mta/smtp/syntax/reply_parser.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using Parsed = std::expected<std::optional<Reply>, ReplyError>;

struct ReplyCase {
    const char* name;
    std::string bytes;
    Parsed want;
};

std::string lines(std::size_t count, std::string_view line) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += line;
    return text;
}

const std::string full_text(limits::reply_line_bytes_max - 4, 'x');
const std::string long_line = "250-" + full_text + "\r\n";

const ReplyCase reply_cases[] = {
    {"single_line", "250 ok\r\n", Reply{250, {"ok"}}},
    {"several_lines", "250-a\r\n250-\r\n250 b\r\n", Reply{250, {"a", "", "b"}}},
    {"code_alone", "250\r\n", Reply{250, {""}}},
    {"code_and_space", "250 \r\n", Reply{250, {""}}},
    {"code_alone_ends_several_lines", "250-a\r\n250\r\n", Reply{250, {"a", ""}}},
    {"bare_line_feed", "220 hi\n", Reply{220, {"hi"}}},
    {"mixed_line_ends", "250-a\n250 b\r\n", Reply{250, {"a", "b"}}},
    {"carriage_return_in_the_text", "250 a\rb\r\n", Reply{250, {"a\rb"}}},
    {"text_is_kept_as_it_is", "250  two spaces \r\n", Reply{250, {" two spaces "}}},
    {"eight_bit_text", "550 \xc3\xa9\xff\r\n", Reply{550, {"\xc3\xa9\xff"}}},
    {"nul_in_the_text", std::string("250 a\0b\r\n", 9), Reply{250, {std::string("a\0b", 3)}}},
    {"unknown_code", "299 what\r\n", Reply{299, {"what"}}},
    {"nothing", "", std::nullopt},
    {"incomplete_code", "25", std::nullopt},
    {"incomplete_line", "250 ok\r", std::nullopt},
    {"incomplete_reply", "250-a\r\n250-b\r\n", std::nullopt},
    {"code_changes_and_the_last_one_counts", "250-a\r\n550 b\r\n", Reply{550, {"a", "b"}}},
    {"code_changes_to_a_yes", "550-5.1.1 no\r\n550-\r\n250 ok\r\n",
     Reply{250, {"5.1.1 no", "", "ok"}}},
    {"no_digits", "hello there\r\n", std::unexpected(ReplyError::bad_code)},
    {"two_digits", "25 ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"four_digits", "2500 ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"letter_in_the_code", "2x0 ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"letter_at_the_end_of_the_code", "25x ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"code_too_low", "199 ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"code_too_high", "600 ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"empty_line", "\r\n", std::unexpected(ReplyError::bad_code)},
    {"leading_space", " 250 ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"no_separator", "250ok\r\n", std::unexpected(ReplyError::bad_code)},
    {"longest_line", "250 " + full_text + "\r\n", Reply{250, {full_text}}},
    {"longest_line_and_a_bare_line_feed", "250 " + full_text + "\n", Reply{250, {full_text}}},
    {"a_line_that_is_too_long_is_cut", "250 " + full_text + "x\r\n", Reply{250, {full_text}}},
    {"carriage_returns_where_it_is_cut", "250 " + full_text + "\r\rx\r\n", Reply{250, {full_text}}},
    {"very_long_lines_are_cut",
     "550-" + std::string(50'000, 'x') + "\r\n550 " + std::string(50'000, 'x') + "\n",
     Reply{550,
           {std::string(limits::reply_line_bytes_max - 4, 'x'),
            std::string(limits::reply_line_bytes_max - 4, 'x')}}},
    {"most_lines", lines(limits::reply_lines_max - 1, "250-\r\n") + "250 \r\n",
     Reply{250, std::vector<std::string>(limits::reply_lines_max)}},
    {"of_too_many_lines_the_last_one_has_the_code",
     lines(limits::reply_lines_max, "250-\r\n") + "450 x\r\n",
     Reply{450, std::vector<std::string>(limits::reply_lines_max)}},
    {"most_bytes",
     lines(limits::reply_bytes_max / limits::reply_line_bytes_max - 1, long_line) + "250 " +
         full_text + "\r\n",
     Reply{250, std::vector<std::string>(limits::reply_bytes_max / limits::reply_line_bytes_max,
                                         full_text)}},
    {"of_too_many_bytes_the_last_line_has_the_code",
     lines(limits::reply_bytes_max / limits::reply_line_bytes_max, long_line) + "551 x\r\n",
     Reply{551, std::vector<std::string>(limits::reply_bytes_max / limits::reply_line_bytes_max,
                                         full_text)}},
};

class ReplyParserTable : public testing::TestWithParam<ReplyCase> {};

TEST_P(ReplyParserTable, parses) {
    std::string_view input = GetParam().bytes;
    EXPECT_EQ(ReplyParser{}.feed(input), GetParam().want);
}

// The same bytes mean the same thing wherever TCP happens to cut them.
TEST_P(ReplyParserTable, parses_the_same_one_byte_at_a_time) {
    ReplyParser parser;
    Parsed got = std::nullopt;
    for (const char& byte : GetParam().bytes) {
        std::string_view one(&byte, 1);
        got = parser.feed(one);
        if (!got || *got) break;
        EXPECT_TRUE(one.empty());
    }
    EXPECT_EQ(got, GetParam().want);
}

TEST_P(ReplyParserTable, starts_afresh_behind_a_reply) {
    const std::string twice = GetParam().bytes + GetParam().bytes;
    std::string_view input = twice;
    ReplyParser parser;
    const auto first = parser.feed(input);
    if (!first || !*first) return;
    EXPECT_EQ(parser.feed(input), GetParam().want);
    EXPECT_TRUE(input.empty());
    EXPECT_FALSE(parser.has_partial());
}

INSTANTIATE_TEST_SUITE_P(, ReplyParserTable, testing::ValuesIn(reply_cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ReplyParser, gives_up_an_endless_line) {
    for (const std::size_t piece : {101u, 4096u}) {
        ReplyParser parser;
        std::size_t fed = 0;
        Parsed got = std::nullopt;
        while (got && fed < 2 * limits::reply_raw_bytes_max) {
            const std::string bytes(piece, '2');
            std::string_view input = bytes;
            got = parser.feed(input);
            fed += piece;
        }
        EXPECT_EQ(got, std::unexpected(ReplyError::endless));
        EXPECT_LE(fed, limits::reply_raw_bytes_max + piece);
    }
}

TEST(ReplyParser, reads_so_much_of_a_reply_and_no_more) {
    const auto line = "250-" + std::string(506, 'x') + "\r\n";
    const auto all = lines(limits::reply_raw_bytes_max / line.size() - 1, line);
    for (const std::size_t too_many : {0u, 1u}) {
        const auto last = "250 " + std::string(506 + too_many, 'y') + "\r\n";
        for (const std::size_t piece : {std::size_t{4099}, SIZE_MAX}) {
            const auto wire = all + last;
            ReplyParser parser;
            Parsed got = std::nullopt;
            for (std::size_t begin = 0; begin < wire.size() && got && !*got; begin += piece) {
                auto input = std::string_view(wire).substr(begin, piece);
                got = parser.feed(input);
                if (piece == SIZE_MAX) break;
            }
            if (too_many == 0) {
                EXPECT_TRUE(got && *got);
            } else {
                EXPECT_EQ(got, std::unexpected(ReplyError::endless));
                const auto cut = parser.take_cut();
                EXPECT_EQ(cut ? cut->code : 0, 250);
            }
        }
    }
}

TEST(ReplyParser, gives_what_was_said_of_a_reply_that_breaks_off) {
    struct Row {
        std::string bytes;
        std::optional<Reply> want;
    };
    const Row rows[] = {
        {"", std::nullopt},
        {"250 whole\r\n", std::nullopt},
        {"2", std::nullopt},
        {"25", std::nullopt},
        {"250", Reply{250, {""}}},
        {"250 ", Reply{250, {""}}},
        {"250\r", Reply{250, {""}}},
        {"250 ok", Reply{250, {"ok"}}},
        {"250-ok", Reply{250, {"ok"}}},
        {"250 ok\r", Reply{250, {"ok"}}},
        {"2500", std::nullopt},
        {"250x", std::nullopt},
        {"what", std::nullopt},
        {"250-a\r\n", Reply{250, {"a"}}},
        {"250-a\r\n55", Reply{250, {"a"}}},
        {"250-a\r\n550", Reply{550, {"a", ""}}},
        {"250-a\r\n550-b", Reply{550, {"a", "b"}}},
        {"250-a\r\nwhat?\r\n", Reply{250, {"a"}}},
        {"250-a\r\nwhat?", Reply{250, {"a"}}},
        {"250 " + full_text + "more", Reply{250, {full_text}}},
        {"354 former\r\n250-a", Reply{250, {"a"}}},
    };
    for (const auto& row : rows) {
        ReplyParser parser;
        for (std::string_view input = row.bytes; !input.empty();) {
            const auto reply = parser.feed(input);
            if (!reply) break;
        }
        EXPECT_EQ(parser.take_cut(), row.want) << row.bytes;
    }
}

TEST(ReplyParser, stays_in_error) {
    ReplyParser parser;
    std::string_view bad = "what?\r\n";
    EXPECT_FALSE(parser.feed(bad));
    std::string_view good = "250 ok\r\n";
    EXPECT_EQ(parser.feed(good), std::unexpected(ReplyError::bad_code));
}

TEST(ReplyParser, leaves_what_is_behind_a_reply) {
    std::string_view input = "250 one\r\n354 two\r\n2";
    ReplyParser parser;
    EXPECT_EQ(parser.feed(input), (Reply{250, {"one"}}));
    EXPECT_EQ(input, "354 two\r\n2");
    EXPECT_EQ(parser.feed(input), (Reply{354, {"two"}}));
    EXPECT_EQ(parser.feed(input), std::nullopt);
    EXPECT_TRUE(parser.has_partial());
}

TEST(ReplyParser, reads_the_replies_of_real_servers) {
    std::ifstream file("tests/smtp/data/smtp-replies.tsv");
    ASSERT_TRUE(file) << "run from the top of the source tree";
    std::size_t count = 0;
    for (std::string row; std::getline(file, row); ++count) {
        const std::string reply = row.substr(row.find('\t') + 1);
        const std::string wire = reply + "\r\n";
        std::string_view input = wire;
        const auto got = ReplyParser{}.feed(input);
        ASSERT_TRUE(got && *got) << reply;
        EXPECT_EQ(std::to_string((*got)->code), reply.substr(0, 3));
        EXPECT_EQ((*got)->lines, std::vector<std::string>{reply.substr(4)});
    }
    EXPECT_EQ(count, 155u);
}

}  // namespace
}  // namespace mta::smtp
