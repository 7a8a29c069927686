#include "mta/smtp/syntax/dot_stuffing.h"

#include <random>

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

std::string encode(BodyEncoding encoding, std::string_view body, std::size_t piece_bytes) {
    BodyEncoder encoder(encoding);
    std::string out;
    while (!body.empty()) {
        encoder.append(body.substr(0, piece_bytes), out);
        body.remove_prefix(std::min(piece_bytes, body.size()));
    }
    encoder.finish(out);
    return out;
}

struct Case {
    const char* name;
    std::string body;
    std::string dot_stuffed;
    std::string lines;
};

const Case cases[] = {
    {"empty", "", ".\r\n", ""},
    {"one_line", "hello\r\n", "hello\r\n.\r\n", "hello\r\n"},
    {"no_line_end", "hello", "hello\r\n.\r\n", "hello\r\n"},
    {"leading_dot", ".a\r\n", "..a\r\n.\r\n", ".a\r\n"},
    {"dots_alone", ".\r\n.\r\n", "..\r\n..\r\n.\r\n", ".\r\n.\r\n"},
    {"two_dots", "..\r\n", "...\r\n.\r\n", "..\r\n"},
    {"dot_inside", "a.b\r\n. c\r\n", "a.b\r\n.. c\r\n.\r\n", "a.b\r\n. c\r\n"},
    {"dot_without_line_end", ".", "..\r\n.\r\n", ".\r\n"},
    {"empty_lines", "\r\n\r\n.\r\n\r\n", "\r\n\r\n..\r\n\r\n.\r\n", "\r\n\r\n.\r\n\r\n"},
    // Never stored; were it, it must not become somebody else's end of data.
    {"bare_line_feed", "a\nb\r\n", "a\r\nb\r\n.\r\n", "a\r\nb\r\n"},
    {"bare_line_feed_and_dot", "a\n.\nb", "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
    {"bare_line_feed_dot_crlf", "a\n.\r\nMAIL\r\n", "a\r\n..\r\nMAIL\r\n.\r\n",
     "a\r\n.\r\nMAIL\r\n"},
    {"crlf_dot_line_feed", "a\r\n.\nMAIL\r\n", "a\r\n..\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n"},
    {"bare_carriage_return", "a\rb\r\n", "a\r\nb\r\n.\r\n", "a\r\nb\r\n"},
    {"bare_carriage_return_and_dot", "a\r.\rb", "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
    {"crlf_dot_carriage_return", "a\r\n.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
    {"carriage_return_at_the_end", "a\r", "a\r\n.\r\n", "a\r\n"},
    {"carriage_return_alone", "\r", "\r\n.\r\n", "\r\n"},
    {"two_carriage_returns", "a\r\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n", "a\r\n\r\n.\r\n"},
    {"line_feed_carriage_return", "a\n\r.b\r\n", "a\r\n\r\n..b\r\n.\r\n", "a\r\n\r\n.b\r\n"},
};

class BodyEncoderTable : public testing::TestWithParam<Case> {};

TEST_P(BodyEncoderTable, encodes_whole_and_in_pieces_of_any_size) {
    const auto& test = GetParam();
    for (const std::size_t piece : {1u, 2u, 3u, 5u, 1000u}) {
        EXPECT_EQ(encode(BodyEncoding::dot_stuffed, test.body, piece), test.dot_stuffed) << piece;
        EXPECT_EQ(encode(BodyEncoding::lines, test.body, piece), test.lines) << piece;
        EXPECT_EQ(encode(BodyEncoding::raw, test.body, piece), test.body) << piece;
    }
}

INSTANTIATE_TEST_SUITE_P(, BodyEncoderTable, testing::ValuesIn(cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(BodyEncoder, appends_behind_what_is_there) {
    std::string out = "354\r\n";
    BodyEncoder encoder(BodyEncoding::dot_stuffed);
    encoder.append(".x", out);
    encoder.append("", out);
    encoder.finish(out);
    EXPECT_EQ(out, "354\r\n..x\r\n.\r\n");
}

// What a receiver of RFC 5321 section 4.5.2 makes of it; nothing if CRLF.CRLF comes before the end,
// or a bare CR or LF at all.
std::optional<std::string> decode(std::string_view wire) {
    std::string body;
    while (true) {
        const auto end = wire.find("\r\n");
        if (end == wire.npos) return std::nullopt;
        auto line = wire.substr(0, end);
        if (line.find_first_of("\r\n") != line.npos) return std::nullopt;
        wire.remove_prefix(end + 2);
        if (line == ".") return wire.empty() ? std::optional(body) : std::nullopt;
        if (line.starts_with('.')) line.remove_prefix(1);
        body += line;
        body += "\r\n";
    }
}

TEST(BodyEncoder, any_bytes_come_out_as_lines_and_are_cut_anywhere) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 rng(seed);
    for (int round = 0; round < 20'000; ++round) {
        std::string body(rng() % 24, ' ');
        for (char& c : body) c = "\r\n.ab"[rng() % 5];
        const auto whole = encode(BodyEncoding::dot_stuffed, body, 1000);
        ASSERT_EQ(encode(BodyEncoding::dot_stuffed, body, 1 + rng() % 4), whole);
        const auto decoded = decode(whole);
        ASSERT_TRUE(decoded) << testing::PrintToString(body);
        ASSERT_EQ(*decoded, encode(BodyEncoding::lines, body, 1 + rng() % 4));
    }
}

TEST(BodyEncoder, takes_linear_time_for_line_ends_of_the_wrong_kind) {
    // Quadratic time would be minutes here.
    for (const char* unit : {"\r", "\n", "\r\r\n", ".\r"}) {
        std::string body;
        while (body.size() < (8u << 20)) body += unit;
        EXPECT_GE(encode(BodyEncoding::dot_stuffed, body, body.size()).size(), body.size());
    }
}

}  // namespace
}  // namespace mta::smtp
