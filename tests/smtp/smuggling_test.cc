// Every way that is known to end a message for one server and not for another. Ours has one end of
// data, CRLF.CRLF, and answers anything that merely looks like it once, after the real end.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/smtp/server_world.h"

namespace mta::smtp {
namespace {

using namespace std::literals;
using test::ServerWorld;

struct Smuggling {
    const char* name;
    std::string_view separator;  // stands between the text and what it would smuggle
};

const Smuggling separators[] = {
    {"lf_dot_lf", "\n.\n"},
    {"cr_dot_cr", "\r.\r"},
    {"lf_dot_cr", "\n.\r"},
    {"cr_dot_lf", "\r.\n"},
    {"lf_dot_crlf", "\n.\r\n"},
    {"cr_dot_crlf", "\r.\r\n"},
    {"crlf_dot_lf", "\r\n.\n"},
    {"crlf_dot_cr", "\r\n.\r"},
    {"crlf_nul_dot_crlf", "\r\n\0.\r\n"sv},
    {"crlf_dot_nul_crlf", "\r\n.\0\r\n"sv},
    {"crlf_dot_cr_nul_lf", "\r\n.\r\0\n"sv},
    {"cr_nul_lf_dot_crlf", "\r\0\n.\r\n"sv},
    {"crcrlf_dot_crcrlf", "\r\r\n.\r\r\n"},
    {"crlf_dot_crcrlf", "\r\n.\r\r\n"},
    {"lflf_dot_lflf", "\n\n.\n\n"},
    {"lf_dotdot_lf", "\n..\n"},
    {"crlf_dotdot_cr", "\r\n..\r"},
    {"bare_lf", "\n"},
    {"bare_cr", "\r"},
    {"nul", "\0"sv},
    {"crcr", "\r\r"},
    {"lfcr", "\n\r"},
};

const std::string smuggled =
    "MAIL FROM:<evil@them.example>\r\nRCPT TO:<b@us.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx";

void expect_one_refusal(ServerWorld& world, const std::string& said) {
    EXPECT_TRUE(said.starts_with("554 5.6.0 ")) << said;
    EXPECT_TRUE(said.ends_with("\r\n250 2.0.0 forgotten\r\n")) << said;
    EXPECT_EQ(std::ranges::count(said, '\n'), 2) << said;
    EXPECT_EQ(world.accepted.size(), 0U);
    EXPECT_EQ(world.begun, 1U);
    EXPECT_EQ(world.aborted.size(), 1U);
    EXPECT_EQ(world.refused.size(), 1U);
    EXPECT_FALSE(world.ended);
    EXPECT_EQ(world.session.body_bytes(), 0U);
}

class SmugglingTable : public testing::TestWithParam<Smuggling> {
protected:
    // What follows 354.
    static std::string attack(bool with_crlf_around) {
        const std::string separator(GetParam().separator);
        const std::string text = "Subject: a\r\n\r\nfirst";
        return text + (with_crlf_around ? "\r\n" + separator + "\r\n" : separator) + smuggled +
               "\r\n.\r\nRSET\r\n";
    }
};

TEST_P(SmugglingTable, is_one_refused_message_whole) {
    ServerWorld world;
    world.begin_data();
    expect_one_refusal(world, world.send(attack(false)));
}

TEST_P(SmugglingTable, is_one_refused_message_at_every_split) {
    const auto bytes = attack(false);
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
        ServerWorld world;
        world.begin_data();
        auto said = world.send(std::string_view(bytes).substr(0, at));
        said += world.send(std::string_view(bytes).substr(at));
        SCOPED_TRACE(at);
        expect_one_refusal(world, said);
    }
}

TEST_P(SmugglingTable, is_one_refused_message_by_bytes) {
    ServerWorld world;
    world.begin_data();
    expect_one_refusal(world, world.send_by_bytes(attack(false)));
}

TEST_P(SmugglingTable, is_one_refused_message_on_a_line_of_its_own) {
    ServerWorld world;
    world.begin_data();
    expect_one_refusal(world, world.send(attack(true)));
    ServerWorld by_bytes;
    by_bytes.begin_data();
    expect_one_refusal(by_bytes, by_bytes.send_by_bytes(attack(true)));
}

// The same bytes in a chunk have an end that cannot be mistaken, and are refused all the same: they
// would leave by DATA somewhere.
TEST_P(SmugglingTable, is_refused_in_a_chunk) {
    const std::string body =
        "Subject: a\r\n\r\nfirst" + std::string(GetParam().separator) + smuggled;
    const auto chunk = "BDAT " + std::to_string(body.size()) + " LAST\r\n" + body + "RSET\r\n";
    for (const bool whole : {true, false}) {
        ServerWorld world;
        world.greet();
        world.send("MAIL FROM:<a@them.example>\r\nRCPT TO:<b@us.example>\r\n");
        expect_one_refusal(world, whole ? world.send(chunk) : world.send_by_bytes(chunk));
    }
}

// In a command it is part of the line, and spoils all of it.
TEST_P(SmugglingTable, is_one_refused_command) {
    const std::string separator(GetParam().separator);
    const auto line = "RCPT TO:<c@us.example>" + separator + "RCPT TO:<d@us.example>\r\n";
    const bool has_crlf = separator.find("\r\n") != separator.npos;
    if (has_crlf) return;  // this one does end a command line
    for (const bool whole : {true, false}) {
        ServerWorld world;
        world.greet();
        world.send("MAIL FROM:<a@them.example>\r\n");
        const auto said = whole ? world.send(line) : world.send_by_bytes(line);
        EXPECT_TRUE(said.starts_with("500 5.5.2 ")) << said;
        EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
        EXPECT_EQ(world.refused.size(), 1U);
    }
}

INSTANTIATE_TEST_SUITE_P(, SmugglingTable, testing::ValuesIn(separators),
                         [](const auto& test) { return std::string(test.param.name); });

// The control: a real end is one, and what follows it is commands (so the table above can fail).
TEST(Smuggling, the_real_end_ends_the_message) {
    const std::string bytes =
        "Subject: a\r\n\r\nfirst\r\n.\r\nMAIL FROM:<c@them.example>\r\nRSET\r\n";
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
        ServerWorld world;
        world.begin_data();
        auto said = world.send(std::string_view(bytes).substr(0, at));
        said += world.send(std::string_view(bytes).substr(at));
        EXPECT_EQ(said,
                  "250 2.0.0 queued as 00001z\r\n250 2.1.0 sender ok\r\n250 2.0.0 forgotten\r\n");
        ASSERT_EQ(world.accepted.size(), 1U);
        EXPECT_EQ(test::without_trace(world.accepted[0].body), "Subject: a\r\n\r\nfirst\r\n");
    }
}

TEST(Smuggling, a_dot_is_taken_off_each_line_and_no_more) {
    struct Case {
        std::string_view sent;
        std::string_view stored;
    };
    const Case cases[] = {
        {".\r\n", ""},
        {"a\r\n.\r\n", "a\r\n"},
        {"..\r\n.\r\n", ".\r\n"},
        {"...\r\n.\r\n", "..\r\n"},
        {".a\r\n.\r\n", "a\r\n"},
        {"a\r\n..b\r\n.\r\n", "a\r\n.b\r\n"},
        {"a.\r\n.\r\n", "a.\r\n"},
        {"a\r\n.b\r\n..\r\n.\r\n", "a\r\nb\r\n.\r\n"},
        {"\r\n.\r\n", "\r\n"},
        {"\r\n\r\n.\r\n", "\r\n\r\n"},
    };
    for (const auto& [sent, stored] : cases) {
        for (std::size_t at = 0; at <= sent.size(); ++at) {
            ServerWorld world;
            world.begin_data();
            world.send(sent.substr(0, at));
            world.send(sent.substr(at));
            ASSERT_EQ(world.accepted.size(), 1U) << sent;
            EXPECT_EQ(test::without_trace(world.accepted[0].body), stored) << sent << " at " << at;
            EXPECT_EQ(world.accepted[0].facts.size, world.accepted[0].body.size());
        }
    }
}

}  // namespace
}  // namespace mta::smtp
