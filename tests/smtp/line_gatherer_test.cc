#include "mta/smtp/server/line_gatherer.h"

#include <gtest/gtest.h>

#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using namespace std::string_literals;

// Each line as "text|", with a mark for what is wrong with it; fed in pieces of `step` bytes.
std::string lines_of(std::string_view input, std::size_t step) {
    LineGatherer gatherer;
    std::string lines;
    while (!input.empty()) {
        auto piece = input.substr(0, step);
        input.remove_prefix(piece.size());
        while (!piece.empty()) {
            const auto line = gatherer.take(piece);
            if (!line) continue;
            lines += line->text;
            if (line->is_too_long) lines += " (too long)";
            lines += line->end == LineGatherer::End::bare_lf ? "!" : "|";
        }
    }
    return lines;
}

TEST(LineGatherer, cuts_lines_the_same_however_they_arrive) {
    struct Row {
        std::string input;
        std::string lines;
    };
    for (const auto& [input, lines] : {Row{"NOOP\r\nQUIT\r\n", "NOOP|QUIT|"},
                                       {"\r\n\r\n", "||"},
                                       {"a\rb\r\n", "a\rb|"},
                                       {"a\r\r\n", "a\r|"},
                                       {"a\nb\r\n", "a\n!b|"},
                                       {"\n", "\n!"},
                                       {"not whole", ""},
                                       {"not whole\r", ""}}) {
        for (std::size_t step = 1; step <= input.size() + 1; ++step)
            EXPECT_EQ(lines_of(input, step), lines) << step;
    }
}

TEST(LineGatherer, keeps_only_the_first_bytes_of_a_line_that_is_too_long) {
    const auto most = std::string(limits::command_line_bytes_max - 2, 'x');
    const auto kept = std::string(limits::command_line_bytes_max + 1, 'x');
    for (const std::size_t step : {1ul, 7ul, 4096ul, 1'000'000ul}) {
        EXPECT_EQ(lines_of(most + "\r\nNOOP\r\n", step), most + "|NOOP|");
        EXPECT_EQ(lines_of(std::string(100'000, 'x') + "\r\nNOOP\r\n", step),
                  kept + " (too long)|NOOP|");
        EXPECT_EQ(lines_of(std::string(100'000, 'x') + "\nNOOP\r\n", step),
                  kept + " (too long)!NOOP|");
    }
}

}  // namespace
}  // namespace mta::smtp
