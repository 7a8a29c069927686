#include "conf/document.h"

#include <algorithm>
#include <optional>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace conf {
namespace {

Position position_of(const toml::source_region& source) {
    return {source.begin.line, source.begin.column};
}

// The index behind the string that opens at `at`; nothing if it does not end on this line.
std::optional<std::size_t> end_of_string(std::string_view line, std::size_t at) {
    const char quote = line[at];
    for (std::size_t i = at + 1; i < line.size(); ++i) {
        if (line[i] == quote) return i + 1;
        if (line[i] == '\\' && quote == '"') ++i;
    }
    return std::nullopt;
}

std::optional<SyntaxError> check_line(std::string_view line, std::uint32_t number) {
    std::uint32_t dots = 0;
    for (std::size_t i = 0; i < line.size() && line[i] != '#'; ++i) {
        const Position position{number, static_cast<std::uint32_t>(i + 1)};
        if (line[i] == '"' || line[i] == '\'') {
            if (line.substr(i, 3) == "\"\"\"" || line.substr(i, 3) == "'''") {
                return SyntaxError{position, "a string over several lines is never needed here"};
            }
            const auto end = end_of_string(line, i);
            if (!end) return SyntaxError{position, "this string has no closing quote"};
            i = *end - 1;
        } else if (line[i] == '.' && ++dots > dots_a_line_max) {
            return SyntaxError{position, "too many dots; strings are written in quotes"};
        }
    }
    return std::nullopt;
}

std::optional<SyntaxError> check_lines(std::string_view text) {
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        if (auto error = check_line(text.substr(0, end), number)) return error;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::nullopt;
}

// Everything of a node but what is inside of it.
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
        // The parser hands a table out sorted by name.
        std::ranges::stable_sort(children, {},
                                 [](const auto& pair) { return pair.second.key_position; });
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
        value->items.reserve(children.size());  // pointers to items stay good
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
    if (auto error = check_lines(text)) return std::unexpected(std::move(*error));
    const auto parsed = toml::parse(text);
    if (!parsed) {
        const auto& error = parsed.error();
        return std::unexpected(
            SyntaxError{position_of(error.source()), std::string(error.description())});
    }
    return copy_of(parsed.table());
}

}  // namespace conf
