#include "conf/reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mta/base/time_format.h"

namespace conf {
namespace {

constexpr std::size_t shown_bytes_max = 80;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string without_indexes(const std::string& key) {
    std::string out;
    bool inside = false;
    for (const char c : key) {
        inside = inside || c == '[';
        if (!inside) out += c;
        if (c == ']') inside = false;
    }
    return out;
}

std::string join(const std::string& path, std::string_view key) {
    if (key.empty()) return path;
    return path.empty() ? std::string(key) : path + '.' + std::string(key);
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

}  // namespace

void Reading::problem(const Value& value, const std::string& key, std::string what) {
    std::string shown;
    if (value.kind == Value::Kind::text) {
        shown = in_quotes(value.text);
    } else if (value.kind != Value::Kind::array && value.kind != Value::Kind::table) {
        shown = value.text;
    }
    problems.push_back(
        {file, value.position.line, value.position.column, key, std::move(shown), std::move(what)});
}

void Reader::integer(std::string_view key, std::uint32_t& out, std::int64_t min, std::int64_t max) {
    const auto* value = find(key);
    if (!value) return;
    if (value->kind != Value::Kind::integer) {
        return reading_.problem(*value, full(key), "must be a whole number, without quotes");
    }
    if (value->integer < min || value->integer > max) {
        return reading_.problem(*value, full(key),
                                "must be " + std::to_string(min) + " to " + std::to_string(max));
    }
    out = static_cast<std::uint32_t>(value->integer);
}

void Reader::integer(std::string_view key, std::optional<std::uint32_t>& out, std::int64_t min,
                     std::int64_t max) {
    const auto before = reading_.problems.size();
    std::uint32_t number = 0;
    integer(key, number, min, max);
    if (has(key) && reading_.problems.size() == before) out = number;
}

void Reader::port(std::string_view key, std::uint16_t& out) {
    std::uint32_t number = out;
    integer(key, number, 1, 65535);
    out = static_cast<std::uint16_t>(number);
}

void Reader::flag(std::string_view key, bool& out) {
    const auto* value = find(key);
    if (!value) return;
    if (value->kind != Value::Kind::boolean)
        return reading_.problem(*value, full(key), "must be true or false, without quotes");
    out = value->text == "true";
}

void Reader::duration(std::string_view key, mta::Millis& out, mta::Millis min, mta::Millis max) {
    std::optional<mta::Millis> read;
    duration(key, read, min, max);
    if (read) out = *read;
}

void Reader::duration(std::string_view key, std::optional<mta::Millis>& out, mta::Millis min,
                      mta::Millis max) {
    const auto* value = find(key);
    if (!value) return;
    if (value->kind == Value::Kind::integer) {
        return reading_.problem(
            *value, full(key),
            "a duration needs a unit and quotes: \"" + value->text + "s\", \"5m\", \"4h\", \"5d\"");
    }
    if (value->kind != Value::Kind::text) {
        return reading_.problem(*value, full(key),
                                "must be a duration such as \"30s\", \"5m\", \"4h\" or \"5d\"");
    }
    if (const auto read = read_duration(Text(*value, full(key), reading_), min, max)) out = read;
}

void Reader::durations(std::string_view key, std::vector<mta::Millis>& out, mta::Millis min,
                       mta::Millis max) {
    const auto texts = list(key);
    if (!texts) return;
    std::vector<mta::Millis> read;
    for (const auto& text : *texts) {
        if (const auto value = read_duration(text, min, max)) read.push_back(*value);
    }
    out = std::move(read);
}

std::optional<mta::Millis> Reader::read_duration(const Text& text, mta::Millis min,
                                                 mta::Millis max) {
    const auto value = mta::parse_duration(text.string());
    if (!value && is_number(text.string())) {
        text.refuse("a duration needs a unit: \"" + text.string() +
                    "s\" for seconds; the units are ms, s, m, h, d");
    } else if (!value) {
        text.refuse(
            "must be a whole number and one unit (ms, s, m, h, d), such as \"30s\", \"5m\", \"4h\" "
            "or \"5d\"");
    } else if (*value < min || *value > max) {
        text.refuse("must be " + written(min) + " to " + written(max));
    } else {
        return value;
    }
    return std::nullopt;
}

void Reader::size(std::string_view key, std::uint64_t& out, std::uint64_t min, std::uint64_t max) {
    const auto* value = find(key);
    if (!value) return;
    if (value->kind == Value::Kind::integer) {
        return reading_.problem(*value, full(key),
                                "a size needs a unit and quotes: \"" + value->text +
                                    "B\" for bytes, \"10kB\", \"50MB\", \"64MiB\", \"1GB\"");
    }
    const auto read =
        value->kind == Value::Kind::text ? mta::parse_size(value->text) : std::nullopt;
    if (!read) {
        return reading_.problem(
            *value, full(key),
            "must be a whole number and one unit (B, kB, MB, GB, KiB, MiB, GiB), such as \"50MB\"");
    }
    if (*read < min || *read > max) {
        return reading_.problem(*value, full(key),
                                "must be " + written(min) + " to " + written(max));
    }
    out = *read;
}

void Reader::text(std::string_view key, std::string& out) {
    const auto value = text(key);
    if (!value) return;
    if (value->string().empty()) return value->refuse("must not be empty");
    out = value->string();
}

std::optional<Text> Reader::text(std::string_view key) {
    const auto* value = find(key);
    if (!value) return std::nullopt;
    if (value->kind != Value::Kind::text) {
        reading_.problem(*value, full(key), "must be a text in quotes");
        return std::nullopt;
    }
    if (std::ranges::any_of(value->text, is_control)) {
        reading_.problem(*value, full(key), "must not contain control characters");
        return std::nullopt;
    }
    return Text(*value, full(key), reading_);
}

std::optional<std::vector<Text>> Reader::one_or_more(std::string_view key) {
    const auto* value = find(key);
    if (value == nullptr || value->kind != Value::Kind::text) return list(key);
    auto one = text(key);
    if (!one) return std::nullopt;
    return std::vector<Text>{*std::move(one)};
}

std::optional<std::vector<Text>> Reader::list(std::string_view key) {
    const auto* value = find(key);
    if (!value) return std::nullopt;
    if (value->kind != Value::Kind::array) {
        reading_.problem(*value, full(key),
                         "must be a list in brackets, such as [\"one\", \"two\"]");
        return std::nullopt;
    }
    std::vector<Text> texts;
    for (std::size_t i = 0; i < value->items.size(); ++i) {
        const auto& item = value->items[i];
        auto item_key = full(key) + '[' + std::to_string(i) + ']';
        if (item.kind != Value::Kind::text) {
            reading_.problem(item, item_key, "must be a text in quotes");
        } else if (std::ranges::any_of(item.text, is_control)) {
            reading_.problem(item, item_key, "must not contain control characters");
        } else {
            texts.emplace_back(item, std::move(item_key), reading_);
        }
    }
    return texts;
}

Reader Reader::table(std::string_view key) {
    const auto* value = find(key);
    if (value && value->kind != Value::Kind::table) {
        reading_.problem(*value, full(key),
                         "is a table: write [" + full(key) + "] on a line of its own");
        value = nullptr;
    }
    return Reader(value, full(key), reading_);
}

std::vector<Reader> Reader::tables(std::string_view key) {
    std::vector<Reader> readers;
    const auto* value = find(key);
    if (!value) return readers;
    const auto is_table = [](const Value& item) { return item.kind == Value::Kind::table; };
    if (value->kind != Value::Kind::array || value->items.empty() ||
        !std::ranges::all_of(value->items, is_table)) {
        reading_.problem(*value, full(key),
                         "is a list of tables: write [[" + full(key) +
                             "]], in double brackets, on a line of its own before each of them");
        return readers;
    }
    for (std::size_t i = 0; i < value->items.size(); ++i) {
        readers.emplace_back(&value->items[i], full(key) + '[' + std::to_string(i) + ']', reading_);
    }
    return readers;
}

bool Reader::is_empty_list(std::string_view key) const {
    const Value* value = table_ ? table_->find(key) : nullptr;
    return value && value->kind == Value::Kind::array && value->items.empty();
}

void Reader::problem(std::string_view key, std::string what) {
    const Value* value = table_ ? table_->find(key) : nullptr;
    if (!value) value = table_;
    if (value) return reading_.problem(*value, full(key), std::move(what));
    reading_.problems.push_back({.file = reading_.file, .key = full(key), .what = std::move(what)});
}

void Reader::finish() {
    if (!table_) return;
    for (const auto& item : table_->items) {
        if (std::ranges::find(known_, item.key) == known_.end()) {
            reading_.unknown.push_back({without_indexes(path_), &item});
        }
    }
}

const Value* Reader::find(std::string_view key) {
    known_.emplace_back(key);
    reading_.asked.insert(without_indexes(full(key)));
    return table_ ? table_->find(key) : nullptr;
}

std::string Reader::full(std::string_view key) const { return join(path_, key); }

std::string shortened(std::string_view text) {
    if (text.size() <= shown_bytes_max) return std::string(text);
    std::size_t length = shown_bytes_max;
    while (length > 0 && (text[length] & 0xc0) == 0x80) --length;  // to the letter's first byte
    return std::string(text.substr(0, length)) + "...";
}

std::string in_quotes(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : shortened(text)) {
        if (is_control(c)) {
            out += "\\x";
            out += hex[static_cast<unsigned char>(c) >> 4];
            out += hex[static_cast<unsigned char>(c) & 15];
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string written(mta::Millis duration) {
    constexpr std::array<std::pair<std::int64_t, const char*>, 4> units = {
        {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}}};
    for (const auto& [factor, unit] : units) {
        if (duration.count() != 0 && duration.count() % factor == 0) {
            return '"' + std::to_string(duration.count() / factor) + unit + '"';
        }
    }
    return '"' + std::to_string(duration.count()) + "ms\"";
}

std::string written(std::uint64_t size_bytes) {
    constexpr std::array<std::pair<std::uint64_t, const char*>, 6> units = {{{1u << 30, "GiB"},
                                                                             {1'000'000'000, "GB"},
                                                                             {1u << 20, "MiB"},
                                                                             {1'000'000, "MB"},
                                                                             {1u << 10, "KiB"},
                                                                             {1000, "kB"}}};
    for (const auto& [factor, unit] : units) {
        if (size_bytes != 0 && size_bytes % factor == 0) {
            return '"' + std::to_string(size_bytes / factor) + unit + '"';
        }
    }
    return '"' + std::to_string(size_bytes) + "B\"";
}

}  // namespace conf
