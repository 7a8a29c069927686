#include "mta/smtp/syntax/dialogue_lines.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using testing::ElementsAreArray;

struct Piece {
    char from;  // '>': sent, '<': received
    std::string bytes;
};
using Lines = std::vector<std::string>;

Lines lines_of(const std::vector<Piece>& dialogue, bool byte_by_byte) {
    Lines lines;
    DialogueLines scanner;
    const auto on_line = [&](DialogueLines::From from, std::string_view line) {
        lines.push_back((from == DialogueLines::From::us ? "> " : "< ") + std::string(line));
    };
    for (const auto& piece : dialogue) {
        const auto& bytes = piece.bytes;
        const auto feed = [&](std::string_view some) {
            piece.from == '>' ? scanner.sent(some, on_line) : scanner.received(some, on_line);
        };
        if (!byte_by_byte) {
            feed(bytes);
            continue;
        }
        for (const char& byte : bytes) feed({&byte, 1});
    }
    return lines;
}

struct Row {
    const char* name;
    std::vector<Piece> dialogue;
    Lines lines;
};

const Row rows[] = {
    {"greeting and EHLO",
     {{'<', "220 mx ESMTP\r\n"}, {'>', "EHLO relay\r\n"}, {'<', "250-mx\r\n250 PIPELINING\r\n"}},
     {"< 220 mx ESMTP", "> EHLO relay", "< 250-mx", "< 250 PIPELINING"}},
    {"a message by DATA is counted",
     {{'>', "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"},
      {'<', "250 ok\r\n250 ok\r\n354 go\r\n"},
      {'>', "Subject: x\r\n\r\nsecret\r\n..dot\r\n.\r\n"},
      {'<', "250 taken\r\n"},
      {'>', "QUIT\r\n"}},
     {"> MAIL FROM:<a@b>", "> RCPT TO:<c@d>", "> DATA", "< 250 ok", "< 250 ok", "< 354 go",
      "> (29 bytes of message)", "> .", "< 250 taken", "> QUIT"}},
    {"an empty message",
     {{'>', "DATA\r\n"}, {'<', "354 go\r\n"}, {'>', ".\r\nRSET\r\n"}},
     {"> DATA", "< 354 go", "> (0 bytes of message)", "> .", "> RSET"}},
    {"a body that looks like an end",
     {{'>', "DATA\r\n"}, {'<', "354 go\r\n"}, {'>', "a.\r\n\r\r\n.\r.\r\n\r\n.\r\nNOOP\r\n"}},
     {"> DATA", "< 354 go", "> (14 bytes of message)", "> .", "> NOOP"}},
    {"DATA refused",
     {{'>', "DATA\r\n"}, {'<', "554 no valid recipients\r\n"}, {'>', "RSET\r\n"}},
     {"> DATA", "< 554 no valid recipients", "> RSET"}},
    {"a message by BDAT, with commands around it in one piece",
     {{'>', "MAIL FROM:<a@b>\r\nBDAT 9\r\nQUIT\r\nab\nBDAT 3 LAST\r\nxyzMAIL FROM:<>\r\n"}},
     {"> MAIL FROM:<a@b>", "> BDAT 9", "> (9 bytes of message)", "> BDAT 3 LAST",
      "> (3 bytes of message)", "> MAIL FROM:<>"}},
    {"BDAT of nothing", {{'>', "BDAT 0 LAST\r\nQUIT\r\n"}}, {"> BDAT 0 LAST", "> QUIT"}},
    {"credentials with the command",
     {{'>', "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"},
      {'<', "235 welcome\r\n"},
      {'>', "MAIL FROM:<>\r\n"}},
     {"> AUTH PLAIN ****", "< 235 welcome", "> MAIL FROM:<>"}},
    {"credentials after challenges",
     {{'>', "auth LOGIN\r\n"},
      {'<', "334 VXNlcm5hbWU6\r\n"},
      {'>', "YW5u\r\n"},
      {'<', "334 UGFzc3dvcmQ6\r\n"},
      {'>', "c2VjcmV0\r\n"},
      {'<', "535 5.7.8 no\r\n"},
      {'>', "QUIT\r\n"}},
     {"> auth LOGIN", "< 334 ****", "> ****", "< 334 ****", "> ****", "< 535 5.7.8 no", "> QUIT"}},
};

TEST(DialogueLines, show_commands_and_replies_and_count_messages) {
    for (const auto& row : rows) {
        EXPECT_THAT(lines_of(row.dialogue, false), ElementsAreArray(row.lines)) << row.name;
        EXPECT_THAT(lines_of(row.dialogue, true), ElementsAreArray(row.lines))
            << row.name << ", a byte at a time";
    }
}

TEST(DialogueLines, cut_a_long_line) {
    const auto lines =
        lines_of({{'<', "250 " + std::string(100'000, 'x') + "\r\n250 next\r\n"}}, false);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_LE(lines[0].size(), DialogueLines::line_bytes_max + 3);
    EXPECT_EQ(lines[1], "< 250 next");
}

}  // namespace
}  // namespace mta::smtp
