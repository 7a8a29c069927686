#include "mta/cli/terminal/table.h"

#include <algorithm>

#include "mta/base/assert.h"
#include "mta/base/printable.h"
#include "mta/base/time_format.h"

namespace mta::cli {
namespace {

constexpr std::string_view gap = "  ";
constexpr std::size_t last_column_min = 12;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The width of a text. Every code point counts as one column.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

std::string cut_to(std::string_view text, std::size_t width) {
    if (width_of(text) <= width) return std::string(text);
    std::size_t bytes = 0;
    for (std::size_t seen = 0; bytes < text.size(); ++bytes) {
        if (!is_continuation(text[bytes]) && ++seen == width) break;
    }
    return std::string(text.substr(0, bytes)) + "\u2026";
}

}  // namespace

std::string relative(Instant time, Instant now) {
    using namespace std::chrono_literals;
    const auto distance = time > now ? time - now : now - time;
    if (distance < 1s) return "now";
    auto words = format_duration(distance);
    words.resize(std::min(words.find(' '), words.size()));  // the larger unit is enough
    return time > now ? "in " + words : words + " ago";
}

std::string relative(std::string_view rfc3339, Instant now) {
    const auto time = parse_rfc3339(rfc3339);
    return time ? relative(*time, now) : "-";
}

std::string plural(std::uint64_t count, std::string_view noun) {
    return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

void write_wrapped(std::ostream& out, std::string_view text, std::uint32_t columns) {
    const auto clean = printable(text);
    std::string_view rest = clean;
    const auto indent = std::min(rest.find_first_not_of(' '), rest.size());
    const std::string margin(indent, ' ');
    rest.remove_prefix(indent);
    std::string line = margin;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(' '), rest.size());
        const auto word = rest.substr(0, end);
        const bool is_first = line.size() == indent;
        if (columns > 0 && !is_first && width_of(line) + 1 + width_of(word) > columns) {
            out << line << '\n';
            line = margin;
        } else if (!is_first) {
            line += ' ';
        }
        line += word;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    out << (line.size() == indent ? "" : line) << '\n';
}

void Table::add(const std::vector<std::string>& cells) {
    MTA_ASSERT(cells.size() == rows_.front().size());
    std::vector<std::string> row;
    row.reserve(cells.size());
    for (const auto& cell : cells) row.push_back(printable(cell));
    rows_.push_back(std::move(row));
}

void Table::write(std::ostream& out, std::uint32_t columns) const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    std::size_t before_last = 0;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) before_last += widths[i] + gap.size();
    if (columns > 0) {
        const auto room = columns > before_last ? columns - before_last : 0;
        widths.back() = std::min(widths.back(), std::max(room, last_column_min));
    }
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            line += row[i] + std::string(widths[i] - width_of(row[i]), ' ');
            line += gap;
        }
        line += cut_to(row.back(), widths.back());
        line.erase(line.find_last_not_of(' ') + 1);
        // A table without titles begins with its first row.
        if (!line.empty() || &row != &rows_.front()) out << line << '\n';
    }
}

}  // namespace mta::cli
