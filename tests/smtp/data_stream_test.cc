#include "mta/smtp/server/data_stream.h"

#include <random>

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using namespace std::literals;

const std::string trace = "Received: by us\r\n\tid 1\r\n";

struct Read {
    std::string body;
    std::string rest;
    bool has_ended = false;
    std::optional<DataProblem> problem;
    BodyFacts facts;
    std::string message_id;
    bool operator==(const Read&) const = default;
};

Read read_dotted(std::string_view bytes, std::size_t step, const DataLimits& limits = {}) {
    Read read;
    DataStream stream(limits, trace, read.body);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        auto piece = bytes.substr(at, step);
        if (!read.has_ended) read.has_ended = stream.feed_dotted(piece, read.body);
        read.rest += piece;
    }
    read.problem = stream.problem();
    read.facts = stream.facts();
    read.message_id = stream.message_id();
    return read;
}

Read read_chunks(std::string_view bytes, std::size_t step) {
    Read read;
    DataStream stream({}, trace, read.body);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        stream.feed_chunk(bytes.substr(at, step), read.body);
    }
    stream.finish_chunks(read.body);
    read.problem = stream.problem();
    read.facts = stream.facts();
    read.message_id = stream.message_id();
    return read;
}

struct FactsCase {
    const char* name;
    std::string_view text;  // without dot-stuffing
    std::uint32_t header_bytes;
    bool has_8bit = false;
    bool header_has_8bit = false;
    bool has_leading_dots = false;
    std::uint32_t line_bytes_max = 17;  // of the trace
    std::string_view message_id = {};
};

const FactsCase facts_cases[] = {
    {"empty", "", 0},
    {"header_only", "A: b\r\n", 6},
    {"ordinary", "A: b\r\nC: d\r\n e\r\n\r\ntext\r\n", 16},
    {"no_header", "\r\ntext\r\n", 0},
    {"text_at_once", "some text: yes\r\n", 0},
    {"text_after_a_field", "A: b\r\nsome text\r\nC: d\r\n\r\n", 6},
    {"space_before_the_colon", "A : b\r\n\r\n", 7},
    {"colon_first", ": b\r\n\r\n", 0},
    {"eight_bit_text", "A: b\r\n\r\n\xc3\xbc\r\n", 6, true},
    {"eight_bit_header", "A: b\r\nB: \xc3\xbc\r\n\r\nx\r\n", 13, true, true},
    {"eight_bit_continuation", "A: b\r\n \xc3\xbc\r\n\r\nx\r\n", 11, true, true},
    {"eight_bit_name_is_text", "A: b\r\n\xc3\xbc: x\r\n", 6, true},
    {"leading_dot", "A: b\r\n\r\n.x\r\n", 6, false, false, true},
    {"a_dot_alone", "A: b\r\n\r\n.\r\n", 6, false, false, true},
    {"dot_inside", "A: b\r\n\r\nx.\r\n", 6},
    {"long_line", "A: b\r\n\r\n123456789012345678901234567890\r\nx\r\n", 6, false, false, false,
     32},
    {"message_id", "Message-ID: <a@b>\r\n\r\n", 19, false, false, false, 19, "<a@b>"},
    {"message_id_folded", "MESSAGE-id :\r\n <a@\r\n\tb>  \r\nX: y\r\n\r\n", 33, false, false, false,
     17, "<a@ b>"},
    {"two_message_ids", "Message-Id: 1\r\nMessage-Id: 2\r\n", 30, false, false, false, 17, "1"},
    {"unprintable_message_id", "Message-Id: 1\x01\r\n\r\n", 16},
    {"message_id_in_text", "A: b\r\n\r\nMessage-Id: 1\r\n", 6},
    {"not_message_id", "X-Message-Id: 1\r\nMessage-Ids: 2\r\nMessage-I: 3\r\n", 47},
};

TEST(DataStream, learns_the_facts_whatever_the_pieces) {
    for (const auto& test : facts_cases) {
        SCOPED_TRACE(test.name);
        std::string stuffed;
        for (std::size_t i = 0; i < test.text.size(); ++i) {
            if (test.text[i] == '.' && (i == 0 || test.text[i - 1] == '\n')) stuffed += '.';
            stuffed += test.text[i];
        }
        stuffed += ".\r\nNEXT";
        const auto trace_bytes = static_cast<std::uint32_t>(trace.size());
        const BodyFacts want{.size = trace.size() + test.text.size(),
                             .header_bytes = trace_bytes + test.header_bytes,
                             .has_8bit = test.has_8bit,
                             .header_has_8bit = test.header_has_8bit,
                             .has_leading_dots = test.has_leading_dots,
                             .line_bytes_max = test.line_bytes_max};
        for (std::size_t step = 1; step <= stuffed.size(); ++step) {
            const auto read = read_dotted(stuffed, step);
            EXPECT_TRUE(read.has_ended);
            EXPECT_EQ(read.problem, std::nullopt);
            EXPECT_EQ(read.rest, "NEXT");
            EXPECT_EQ(read.body, trace + std::string(test.text));
            EXPECT_EQ(read.facts, want);
            EXPECT_EQ(read.message_id, test.message_id);
            const auto chunks = read_chunks(test.text, step);
            EXPECT_EQ(chunks.problem, std::nullopt);
            EXPECT_EQ(chunks.body, read.body);
            EXPECT_EQ(chunks.facts, want);
            EXPECT_EQ(chunks.message_id, test.message_id);
        }
    }
}

TEST(DataStream, keeps_the_first_bytes_of_a_long_message_id) {
    const auto read = read_dotted("Message-Id: " + std::string(300, 'x') + "\r\n\r\n.\r\n", 7);
    EXPECT_EQ(read.message_id, std::string(HeaderScan::message_id_bytes_max, 'x'));
}

// It would look like a part of our Received line.
TEST(DataStream, keeps_a_first_line_with_white_space_apart_from_the_trace) {
    for (const char space : {' ', '\t'}) {
        const auto text = space + "by evil\r\nA: b\r\n"s;
        for (const std::size_t step : {1U, 100U}) {
            const auto read = read_dotted(text + ".\r\n", step);
            EXPECT_EQ(read.body, trace + "\r\n" + text);
            EXPECT_EQ(read.facts.size, read.body.size());
            EXPECT_EQ(read.facts.header_bytes, trace.size());
        }
    }
}

TEST(DataStream, ends_a_chunked_body_with_crlf) {
    EXPECT_EQ(read_chunks("A: b\r\n\r\ntext", 3).body, trace + "A: b\r\n\r\ntext\r\n");
    EXPECT_EQ(read_chunks("A: b\r\n\r\ntext", 3).facts.size, trace.size() + 14);
    EXPECT_EQ(read_chunks("text\r", 3).problem, DataProblem::bad_bytes);
    EXPECT_EQ(read_chunks("", 1).body, trace);
    EXPECT_EQ(read_chunks(".\r\n.x\r\n", 2).body, trace + ".\r\n.x\r\n");
}

TEST(DataStream, finds_the_same_problem_whatever_the_pieces) {
    const std::string hops = [] {
        std::string text;
        for (int i = 0; i < 51; ++i) text += "Received: x\r\n";
        return text;
    }();
    struct Case {
        std::string bytes;
        DataProblem problem;
    };
    const Case cases[] = {
        {"a\nb\r\n.\r\n", DataProblem::bad_bytes},
        {"a\rb\r\n.\r\n", DataProblem::bad_bytes},
        {"a\0b\r\n.\r\n"s, DataProblem::bad_bytes},
        {"a\r\r\n.\r\n", DataProblem::bad_bytes},
        {"\n\r\n.\r\n", DataProblem::bad_bytes},
        {".\n\r\n.\r\n", DataProblem::bad_bytes},
        {".\rx\r\n.\r\n", DataProblem::bad_bytes},
        {hops + "\r\n.\r\n", DataProblem::too_many_hops},
        {hops + "\r\n\n\r\n.\r\n", DataProblem::bad_bytes},
        {"A: " + std::string(1500, 'x') + "\r\n.\r\n", DataProblem::too_large},
        {"A: " + std::string(1500, 'x') + "\n\r\n.\r\n", DataProblem::bad_bytes},
    };
    for (const auto& test : cases) {
        for (std::size_t step = 1; step <= test.bytes.size(); ++step) {
            const auto read = read_dotted(test.bytes, step, {.message_bytes_max = 1000});
            EXPECT_TRUE(read.has_ended);
            EXPECT_EQ(read.problem, test.problem) << test.bytes.substr(0, 20) << " by " << step;
        }
    }
}

// Random texts of the bytes that matter, against a reader that is slow and plain.
TEST(DataStream, agrees_with_a_plain_reader) {
    const std::uint32_t seed = 20261122;
    std::mt19937 random(seed);
    constexpr std::string_view alphabet = "\r\n.\r\n.a:\0 \xff"sv;
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        const auto size = random() % 24;
        while (bytes.size() < size) bytes += alphabet[random() % alphabet.size()];
        bytes += "\r\n.\r\n";
        const auto end = ("\r\n" + bytes).find("\r\n.\r\n");
        auto text = bytes.substr(0, end == 0 ? 0 : end);
        bool is_bad = text.find('\0') != text.npos;
        std::string plain;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const bool after_crlf = i == 0 || (i >= 2 && text.substr(i - 2, 2) == "\r\n");
            if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) is_bad = true;
            if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) is_bad = true;
            if (text[i] == '.' && after_crlf) continue;
            plain += text[i];
        }
        const auto read = read_dotted(bytes, 1 + random() % 8);
        SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
        ASSERT_TRUE(read.has_ended);
        ASSERT_EQ(read.problem.has_value(), is_bad) << testing::PrintToString(bytes);
        ASSERT_EQ(read.rest.size(), bytes.size() - end - (end == 0 ? 3 : 3));
        if (is_bad) continue;
        const bool is_apart = plain.starts_with(' ');
        ASSERT_EQ(read.body, trace + (is_apart ? "\r\n" : "") + plain);
    }
}

}  // namespace
}  // namespace mta::smtp
