#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace conf {

struct Position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    auto operator<=>(const Position&) const = default;
};

// A node of a TOML text as a plain tree, so that only document.cc depends on the parser.
struct Value {
    enum class Kind : std::uint8_t { text, integer, boolean, other, array, table };

    Kind kind = Kind::table;
    Position position;         // of the value, or of a table's header
    std::string text;          // the string; for an integer or a boolean its form in messages
    std::int64_t integer = 0;  // only for Kind::integer
    std::string key;           // only for a member of a table
    Position key_position;
    std::vector<Value> items;  // an array's elements, or a table's members in the order of the file

    // A table's member, or null.
    [[nodiscard]] const Value* find(std::string_view name) const;
};

struct SyntaxError {
    Position position;
    std::string what;
};

// Parses TOML 1.0, without two features that no setting needs: strings over several lines, and more
// than dots_a_line_max dots outside strings on one line (the parser would build a table for each
// dot and overflow the stack when it destroys them). The result is a table. No text makes it end
// the program.
inline constexpr std::uint32_t dots_a_line_max = 16;
[[nodiscard]] std::expected<Value, SyntaxError> parse_document(std::string_view text);

}  // namespace conf
