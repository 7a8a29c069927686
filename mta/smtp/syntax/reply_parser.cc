#include "mta/smtp/syntax/reply_parser.h"

#include <algorithm>
#include <utility>

namespace mta::smtp {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint16_t> parse_code(std::string_view line) {
    if (line.size() < 3 || line[0] < '2' || line[0] > '5') return std::nullopt;
    if (!is_digit(line[1]) || !is_digit(line[2])) return std::nullopt;
    return static_cast<std::uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 +
                                      (line[2] - '0'));
}

}  // namespace

std::string_view describe(ReplyError error) {
    switch (error) {
        case ReplyError::bad_code: return "a line without a reply code";
        case ReplyError::endless: return "a reply without end";
    }
    return "an unintelligible reply";
}

std::expected<std::optional<Reply>, ReplyError> ReplyParser::feed(std::string_view& input) {
    if (error_) return std::unexpected(*error_);
    while (!input.empty()) {
        const auto newline = input.find('\n');
        const auto piece = input.substr(0, newline);
        const auto raw_bytes_left = limits::reply_raw_bytes_max - raw_bytes_;
        raw_bytes_ += std::min(piece.size() + 1, input.size());
        if (raw_bytes_ > limits::reply_raw_bytes_max) {
            keep(piece.substr(0, raw_bytes_left));
            error_ = ReplyError::endless;
            return std::unexpected(*error_);
        }
        if (newline == input.npos) {
            keep(piece);
            input = {};
            return std::nullopt;
        }
        input.remove_prefix(newline + 1);

        std::string_view line = piece;
        if (!partial_.empty()) {
            keep(piece);
            line = partial_;
        }
        const auto is_last = add_line(line);
        partial_.clear();
        if (!is_last) {
            error_ = is_last.error();
            return std::unexpected(*error_);
        }
        if (*is_last) {
            reply_bytes_ = 0;
            raw_bytes_ = 0;
            return std::exchange(reply_, {});
        }
    }
    return std::nullopt;
}

std::optional<Reply> ReplyParser::take_cut() {
    if (!partial_.empty()) static_cast<void>(add_line(std::exchange(partial_, {})));
    if (reply_.code == 0) return std::nullopt;
    return std::exchange(reply_, {});
}

// One byte more than a line may have, for the CR of the longest one.
void ReplyParser::keep(std::string_view piece) {
    partial_ += piece.substr(0, limits::reply_line_bytes_max + 1 - partial_.size());
}

// Returns whether it was the last line.
std::expected<bool, ReplyError> ReplyParser::add_line(std::string_view line) {
    line = line.substr(0, limits::reply_line_bytes_max + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = line.substr(0, limits::reply_line_bytes_max);
    const auto code = parse_code(line);
    if (!code) return std::unexpected(ReplyError::bad_code);
    const char separator = line.size() > 3 ? line[3] : ' ';
    if (separator != ' ' && separator != '-') return std::unexpected(ReplyError::bad_code);

    reply_.code = *code;
    const bool has_room = reply_.lines.size() < limits::reply_lines_max &&
                          reply_bytes_ + line.size() <= limits::reply_bytes_max;
    if (has_room) {
        reply_bytes_ += line.size();
        reply_.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view{});
    }
    return separator == ' ';
}

}  // namespace mta::smtp
