#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conf/document.h"
#include "conf/problem.h"
#include "mta/base/time.h"

namespace conf {

// The state that all readers of one file share. It must outlive them.
struct Reading {
    struct UnknownKey {
        std::string path;  // of its table; empty for the top of the file
        const Value* value = nullptr;
    };

    std::string file;
    std::vector<Problem> problems;
    std::vector<UnknownKey> unknown;
    std::set<std::string> asked;  // every key that was asked for, without the indexes of arrays

    // Adds a problem. `key` is the full name; a scalar value is shown beside it.
    void problem(const Value& value, const std::string& key, std::string what);
};

// A single string, or one string of a list, with the full name of its key ("relay.networks[1]").
class Text {
public:
    Text(const Value& value, std::string key, Reading& reading)
        : value_(value), key_(std::move(key)), reading_(reading) {}

    [[nodiscard]] const std::string& string() const { return value_.text; }
    [[nodiscard]] std::uint32_t line() const { return value_.position.line; }
    void refuse(std::string what) const { reading_.problem(value_, key_, std::move(what)); }

private:
    const Value& value_;
    std::string key_;
    Reading& reading_;
};

// Reads one table. Each method takes a key and a variable, which has the default. An absent key
// leaves the default there; a wrong value does, too, and becomes a problem. So one run finds every
// mistake. finish(), which must be called last, collects the keys that no method asked for.
class Reader {
public:
    // `table` is null if the file has no such table; all keys are absent then.
    Reader(const Value* table, std::string path, Reading& reading)
        : table_(table), path_(std::move(path)), reading_(reading) {}

    void integer(std::string_view key, std::uint32_t& out, std::int64_t min, std::int64_t max);
    void integer(std::string_view key, std::optional<std::uint32_t>& out, std::int64_t min,
                 std::int64_t max);
    void port(std::string_view key, std::uint16_t& out);
    void flag(std::string_view key, bool& out);
    void duration(std::string_view key, mta::Millis& out, mta::Millis min, mta::Millis max);
    void duration(std::string_view key, std::optional<mta::Millis>& out, mta::Millis min,
                  mta::Millis max);
    void size(std::string_view key, std::uint64_t& out, std::uint64_t min, std::uint64_t max);
    // The text must not be empty and must not have control characters.
    void text(std::string_view key, std::string& out);

    // Empty if the key is absent or not a string, which is a problem.
    [[nodiscard]] std::optional<Text> text(std::string_view key);
    // The strings of a list; other elements are problems. Empty if the key is absent or no list.
    [[nodiscard]] std::optional<std::vector<Text>> list(std::string_view key);
    // The same, but a single string counts as a list of one.
    [[nodiscard]] std::optional<std::vector<Text>> one_or_more(std::string_view key);
    void durations(std::string_view key, std::vector<mta::Millis>& out, mta::Millis min,
                   mta::Millis max);

    // The table `[key]`, and all tables `[[key]]`.
    [[nodiscard]] Reader table(std::string_view key);
    [[nodiscard]] std::vector<Reader> tables(std::string_view key);

    [[nodiscard]] bool has(std::string_view key) const { return table_ && table_->find(key); }
    [[nodiscard]] bool is_empty_list(std::string_view key) const;
    // Adds a problem with a key of this table, present or not, or with the table if `key` is empty.
    void problem(std::string_view key, std::string what);
    void finish();

private:
    const Value* find(std::string_view key);
    [[nodiscard]] std::string full(std::string_view key) const;
    std::optional<mta::Millis> read_duration(const Text& text, mta::Millis min, mta::Millis max);

    const Value* table_;
    std::string path_;
    Reading& reading_;
    std::vector<std::string> known_;
};

// The text, cut to a length that fits a line, but never inside a letter; "..." shows the cut.
[[nodiscard]] std::string shortened(std::string_view text);
// The shortened text in quotes, with control characters as \xNN.
[[nodiscard]] std::string in_quotes(std::string_view text);
// The value as the file would have it: "5m", "90s".
[[nodiscard]] std::string written(mta::Millis duration);
// "64MiB", "50MB"
[[nodiscard]] std::string written(std::uint64_t size_bytes);

}  // namespace conf
