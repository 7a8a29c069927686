#include "mta/cli/terminal/table.h"

#include <sstream>

#include <gtest/gtest.h>

namespace mta::cli {
namespace {

using namespace std::chrono_literals;
const Instant now = from_unix_ms(1'795'003'200'000);  // 2026-11-18T12:00:00Z

std::string written(const Table& table, std::uint32_t columns) {
    std::ostringstream out;
    table.write(out, columns);
    return out.str();
}

TEST(Table, columns_are_as_wide_as_their_widest_cell) {
    Table table({"ID", "TO", "LAST"});
    table.add({"1", "b\u00f6b@them.example", "450 greylisted"});
    table.add({"", "c@them.example", ""});
    EXPECT_EQ(written(table, 0),
              "ID  TO                LAST\n"
              "1   b\u00f6b@them.example  450 greylisted\n"
              "    c@them.example\n");
}

TEST(Table, a_terminals_last_column_is_cut_between_characters) {
    Table table({"ID", "LAST"});
    table.add(
        {"1",
         "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"});
    EXPECT_EQ(
        written(table, 16),
        "ID  LAST\n1   \u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u2026\n");
}

TEST(Table, a_cell_cannot_leave_its_line_or_move_the_cursor) {
    Table table({"", ""});
    table.add({"a\nb", "\x1b[2Jc\td\xff"});
    EXPECT_EQ(written(table, 0), "a / b  [2Jcd\ufffd\n");
}

TEST(RelativeTime, names_the_larger_unit) {
    EXPECT_EQ(relative(now + 4min + 5s, now), "in 4m");
    EXPECT_EQ(relative(now - 2h - 5min, now), "2h ago");
    EXPECT_EQ(relative(now - 500ms, now), "now");
    EXPECT_EQ(relative("2026-11-18T12:04:00.000Z", now), "in 4m");
    EXPECT_EQ(relative("2026-11-15T12:00:00.000Z", now), "3d ago");
    EXPECT_EQ(relative("2026-11-15T12:00:00Z", now), "3d ago");
    for (const auto* const text :
         {"", "soon", "2026-11-18T12:04:00", "2026-13-18T12:04:00.000Z", "2026-11-xxT12:04:00.000Z",
          "2026-11-18T24:00:00Z", "2026/11/18T12:04:00Z"}) {
        EXPECT_EQ(relative(text, now), "-") << text;
    }
}

TEST(WrappedText, keeps_its_indentation_and_its_words) {
    std::ostringstream out;
    write_wrapped(out, "  one two three", 10);
    write_wrapped(out, "averyveryverylongword x", 10);
    write_wrapped(out, "", 10);
    write_wrapped(out, "as it is, however long it may be", 0);
    EXPECT_EQ(out.str(),
              "  one two\n  three\naveryveryverylongword\nx\n\nas it is, however long it may be\n");
}

}  // namespace
}  // namespace mta::cli
