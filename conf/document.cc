#include "conf/document.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace conf {
// A mistyped file can make the parser's own assertions fail, and a relay must not end because it
// reloads such a file. So a failed assertion throws instead.
struct ParserAtALoss {};
constexpr void expect_of_parser(bool condition) {
    if (!condition) throw ParserAtALoss();
}
}  // namespace conf

#define TOML_ASSERT(condition) ::conf::expect_of_parser(static_cast<bool>(condition))
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace conf {
namespace {

Position position_of(const toml::source_region& source) {
    return {source.begin.line, source.begin.column};
}

// The index behind the string that opens at `at`; empty if it does not end on this line.
std::optional<std::size_t> end_of_string(std::string_view line, std::size_t at) {
    const char quote = line[at];
    for (std::size_t i = at + 1; i < line.size(); ++i) {
        if (line[i] == quote) return i + 1;
        if (line[i] == '\\' && quote == '"') ++i;
    }
    return std::nullopt;
}

bool starts_key(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '"' || c == '\'';
}

// The parser asserts that a key begins behind the bracket of "[table]".
bool is_header_without_key(std::string_view line) {
    constexpr std::string_view blanks = " \t";
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    if (!line.starts_with('[')) return false;
    line.remove_prefix(1);
    if (line.starts_with('[')) line.remove_prefix(1);
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    return line.empty() || !starts_key(line[0]);
}

// True if a string may begin behind this text. In other places the parser takes the quoted text for
// a part of the word before it, and an assertion fails at letters beyond ASCII.
bool may_begin_string(std::string_view before) {
    const auto last = before.find_last_not_of(" \t");
    constexpr std::string_view openings = "=,[{";
    return last == std::string_view::npos || openings.contains(before[last]);
}

// Checks a text before the parser reads it. It refuses the features that no setting needs, and what
// would make an assertion of the parser fail. It reports a missing bracket at the place where it
// was opened.
class Proofreader {
public:
    std::optional<SyntaxError> read(std::string_view text) {
        constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
        if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
        for (std::uint32_t number = 1; !text.empty(); ++number) {
            const auto end = std::min(text.find('\n'), text.size());
            if (auto error = read_line(text.substr(0, end), number)) return error;
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (open_.empty()) return std::nullopt;
        return SyntaxError{open_.back().position,
                           std::string("the \"") + open_.back().bracket + "\" is never closed"};
    }

private:
    struct Open {
        char bracket;
        Position position;
    };

    std::optional<SyntaxError> read_line(std::string_view line, std::uint32_t number) {
        if (open_.empty() && is_header_without_key(line)) {
            return SyntaxError{{number, 1},
                               "the name of a table is missing, as in [spool] or [[route]]"};
        }
        std::uint32_t dots = 0;
        for (std::size_t i = 0; i < line.size() && line[i] != '#'; ++i) {
            const Position position{number, static_cast<std::uint32_t>(i + 1)};
            if (line[i] == '"' || line[i] == '\'') {
                if (line.substr(i, 3) == "\"\"\"" || line.substr(i, 3) == "'''") {
                    return SyntaxError{position,
                                       "a string over several lines is never needed here"};
                }
                if (!may_begin_string(line.substr(0, i))) {
                    return SyntaxError{position, "no text in quotes may begin here"};
                }
                const auto end = end_of_string(line, i);
                if (!end) return SyntaxError{position, "this string has no closing quote"};
                i = *end - 1;
            } else if (static_cast<unsigned char>(line[i]) >= 0x80) {
                return SyntaxError{position, "such a letter may only stand in a text in quotes"};
            } else if (line[i] == '.' && ++dots > dots_a_line_max) {
                return SyntaxError{position, "too many dots; strings are written in quotes"};
            } else if (auto error = read_bracket(line[i], position)) {
                return error;
            }
        }
        return std::nullopt;
    }

    std::optional<SyntaxError> read_bracket(char c, Position position) {
        if (c == '[' || c == '{') open_.push_back({c, position});
        if (c != ']' && c != '}') return std::nullopt;
        const char opening = c == ']' ? '[' : '{';
        if (open_.empty() || open_.back().bracket != opening) {
            return SyntaxError{position, std::string("this \"") + c + "\" closes nothing"};
        }
        open_.pop_back();
        return std::nullopt;
    }

    std::vector<Open> open_;
};

// The node without its children.
Value shell_of(const toml::node& node) {
    Value value;
    value.position = position_of(node.source());
    value.kind = Value::Kind::other;
    if (node.is_table()) {
        value.kind = Value::Kind::table;
    } else if (node.is_array()) {
        value.kind = Value::Kind::array;
    } else if (const auto* text = node.as_string()) {
        value.kind = Value::Kind::text;
        value.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        value.kind = Value::Kind::integer;
        value.integer = integer->get();
        value.text = std::to_string(value.integer);
    } else if (const auto* boolean = node.as_boolean()) {
        value.kind = Value::Kind::boolean;
        value.text = boolean->get() ? "true" : "false";
    }
    return value;
}

using Children = std::vector<std::pair<const toml::node*, Value>>;

Children children_of(const toml::node& node) {
    Children children;
    if (const auto* table = node.as_table()) {
        for (const auto& [key, child] : *table) {
            auto value = shell_of(child);
            value.key = key.str();
            value.key_position = position_of(key.source());
            children.emplace_back(&child, std::move(value));
        }
        // The parser sorts the members of a table by name.
        std::ranges::sort(children, {}, [](const auto& pair) { return pair.second.key_position; });
    } else if (const auto* array = node.as_array()) {
        for (const auto& child : *array) children.emplace_back(&child, shell_of(child));
    }
    return children;
}

Value copy_of(const toml::table& root) {
    Value top = shell_of(root);
    std::vector<std::pair<const toml::node*, Value*>> open = {{&root, &top}};
    while (!open.empty()) {
        const auto [node, value] = open.back();
        open.pop_back();
        auto children = children_of(*node);
        value->items.reserve(children.size());  // `open` has pointers to the items
        for (auto& [child, shell] : children) {
            value->items.push_back(std::move(shell));
            open.emplace_back(child, &value->items.back());
        }
    }
    return top;
}

}  // namespace

const Value* Value::find(std::string_view name) const {
    const auto found = std::ranges::find(items, name, &Value::key);
    return found == items.end() ? nullptr : &*found;
}

std::expected<Value, SyntaxError> parse_document(std::string_view text) {
    if (auto error = Proofreader().read(text)) return std::unexpected(std::move(*error));
    try {
        const auto parsed = toml::parse(text);
        if (!parsed) {
            const auto& error = parsed.error();
            return std::unexpected(
                SyntaxError{position_of(error.source()), std::string(error.description())});
        }
        return copy_of(parsed.table());
    } catch (const ParserAtALoss&) {
        return std::unexpected(
            SyntaxError{{1, 1}, "somewhere in this file is a mistake that cannot be told better"});
    }
}

}  // namespace conf
