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

// A TOML text as a plain tree, so that only document.cc knows the parser behind it.
struct Value {
    enum class Kind : std::uint8_t { text, integer, boolean, other, array, table };

    Kind kind = Kind::table;
    Position position;  // of the value; of a table: its header
    std::string text;   // the string; of an integer or boolean what to show of it in a message
    std::int64_t integer = 0;  // if it is one
    std::string key;           // within a table
    Position key_position;
    std::vector<Value> items;  // an array's elements, or a table's members in the order of the file

    // A table's member, or null.
    [[nodiscard]] const Value* find(std::string_view name) const;
};

struct SyntaxError {
    Position position;
    std::string what;
};

// A table. TOML 1.0, less what no setting needs: strings over several lines, and more than
// dots_a_line_max dots outside strings on one line (the parser would build a table for each dot and
// fall over its own stack when it takes them down). No text whatever makes it stop the program.
inline constexpr std::uint32_t dots_a_line_max = 16;
[[nodiscard]] std::expected<Value, SyntaxError> parse_document(std::string_view text);

}  // namespace conf
