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

// What the readers of one file have in common. Outlives them.
struct Reading {
    struct UnknownKey {
        std::string path;  // of its table, "" for the top of the file
        const Value* value = nullptr;
    };

    std::string file;
    std::vector<Problem> problems;
    std::vector<UnknownKey> unknown;
    std::set<std::string> asked;  // every key that was asked for, without the indexes of arrays

    // `key` in full. Shows the value beside it if it is a scalar.
    void problem(const Value& value, const std::string& key, std::string what);
};

// One string of a list, or a single one: the value, its key in full ("relay.networks[1]") and the
// place for complaints about it.
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

// Reads one table. Each method takes a key and the place for its value: a key that is absent leaves
// the default there, a value that is wrong leaves it too and becomes a problem. So every mistake is
// found in one go. finish() at the end notes the keys that nobody asked for.
class Reader {
public:
    // `table` is null if the file has no such table: all keys are absent then.
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
    // Without control characters, and not empty.
    void text(std::string_view key, std::string& out);

    // Nothing: absent or not a string (a problem already).
    [[nodiscard]] std::optional<Text> text(std::string_view key);
    // The strings of a list that are strings. Nothing: absent or no list at all.
    [[nodiscard]] std::optional<std::vector<Text>> list(std::string_view key);
    // The same, and a single string is a list of one.
    [[nodiscard]] std::optional<std::vector<Text>> one_or_more(std::string_view key);
    void durations(std::string_view key, std::vector<mta::Millis>& out, mta::Millis min,
                   mta::Millis max);

    // `[key]`, and each `[[key]]`.
    [[nodiscard]] Reader table(std::string_view key);
    [[nodiscard]] std::vector<Reader> tables(std::string_view key);

    [[nodiscard]] bool has(std::string_view key) const { return table_ && table_->find(key); }
    [[nodiscard]] bool is_empty_list(std::string_view key) const;
    // About a key of this table, present or not, or (empty) about the table itself.
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

// Cut to what fits a line, never within a letter; "..." shows that it was cut.
[[nodiscard]] std::string shortened(std::string_view text);
// In quotes, control characters as \xNN, and shortened.
[[nodiscard]] std::string in_quotes(std::string_view text);
// "5m", "90s": as it would be written in the file.
[[nodiscard]] std::string written(mta::Millis duration);
// "64MiB", "50MB"
[[nodiscard]] std::string written(std::uint64_t size_bytes);

}  // namespace conf
