#include "mta/base/log.h"

#include <algorithm>
#include <charconv>

#include "mta/base/time_format.h"

namespace mta {
namespace {

bool is_plain(std::string_view value) {
    return !value.empty() && value.find_first_of("\"=\\") == value.npos &&
           std::ranges::all_of(value, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warning: return "warning";
        case Level::error: return "error";
    }
    return "error";
}

// syslog(3) priorities.
std::string_view priority_of(Level level) {
    switch (level) {
        case Level::debug: return "<7>";
        case Level::info: return "<6>";
        case Level::warning: return "<4>";
        case Level::error: return "<3>";
    }
    return "<3>";
}

}  // namespace

// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the name is a literal in every call
LogLine& LogLine::with(std::string_view name, std::string_view value) {
    begin(name);
    if (is_plain(value)) {
        line_ += value;
    } else {
        append_quoted(value);
    }
    return *this;
}

LogLine& LogLine::with_number(std::string_view name, std::int64_t value) {
    char digits[24];
    char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    begin(name);
    line_.append(digits, end);
    return *this;
}

void LogLine::begin(std::string_view name) {
    line_ += ' ';
    line_ += name;
    line_ += '=';
}

void LogLine::append_quoted(std::string_view value) {
    constexpr std::string_view hex = "0123456789abcdef";
    line_ += '"';
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            line_ += '\\';
            line_ += c;
        } else if (byte >= 0x20 && byte < 0x7f) {
            line_ += c;
        } else {
            line_ += "\\x";
            line_ += hex[byte >> 4];
            line_ += hex[byte & 15];
        }
    }
    line_ += '"';
}

Log::Log(Output output, bool for_journal, Level least)
    : output_(std::move(output)), for_journal_(for_journal), least_(least) {}

Log::~Log() { flush(); }

void Log::write(Instant now, Level level, const LogLine& line) {
    if (!shows(level)) return;
    if (for_journal_) {
        pending_ += priority_of(level);
    } else {
        pending_ += format_rfc3339(now);
        pending_ += ' ';
        pending_ += name_of(level);
        pending_ += ' ';
    }
    pending_ += line.text();
    pending_ += '\n';
}

void Log::flush() {
    if (pending_.empty()) return;
    output_(pending_);
    pending_.clear();
}

}  // namespace mta
