#include "mta/smtp/server/refused_text.h"

#include <gtest/gtest.h>

#include "mta/smtp/server/command_parser.h"

namespace mta::smtp {
namespace {

using Line = RefusedText::Line;
using Skipped = RefusedText::Skipped;

TEST(RefusedText, is_recognised_by_its_first_line) {
    struct Row {
        const char* line;
        Line polite;  // of a client that has never sent early
        Line hasty;
    };
    for (const auto& [line, polite, hasty] :
         {Row{".", Line::text, Line::text},
          {"Subject: x", Line::text, Line::text},
          {"MAIL FROM:<a@b.example>", Line::command, Line::unclear},
          {"QUIT", Line::command, Line::unclear},
          {"EHLO x", Line::command, Line::unclear},
          {"Quite so", Line::unclear, Line::text},
          {"Mail from the web form", Line::unclear, Line::text},
          {"Help wanted", Line::unclear, Line::text},
          {"", Line::unclear, Line::text}}) {
        EXPECT_EQ(RefusedText::kind_of(verb_of(line), line, false), polite) << line;
        EXPECT_EQ(RefusedText::kind_of(verb_of(line), line, true), hasty) << line;
    }
}

TEST(RefusedText, is_skipped_to_its_dot_and_no_further) {
    const std::string text = "MAIL FROM:<x@y.example>\r\n..\r\nQUIT\r\n.\r\n";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        RefusedText refused({554, {5, 5, 1}, "no"}, {});
        refused.begin();
        std::string_view rest = text;
        auto skipped = Skipped::some;
        while (!rest.empty()) {
            ASSERT_EQ(skipped, Skipped::some);
            auto piece = rest.substr(0, step);
            rest.remove_prefix(piece.size());
            skipped = refused.skip(piece);
            EXPECT_TRUE(piece.empty());
        }
        EXPECT_EQ(skipped, Skipped::all);
    }
    RefusedText refused({554, {5, 5, 1}, "no"}, {});
    refused.begin();
    std::string_view input = "text\r\n.\r\nNOOP\r\n";
    EXPECT_EQ(refused.skip(input), Skipped::all);
    EXPECT_EQ(input, "NOOP\r\n");
}

TEST(RefusedText, has_an_end_even_without_a_dot) {
    RefusedText refused({554, {5, 5, 1}, "no"}, {.message_bytes_max = 1000});
    refused.begin();
    const std::string much(1001, 'x');
    std::string_view input = much;
    EXPECT_EQ(refused.skip(input), Skipped::too_much);
}

}  // namespace
}  // namespace mta::smtp
