#include "mta/smtp/reply_parser.h"

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
        case ReplyError::code_changed: return "a reply whose code changes from line to line";
        case ReplyError::line_too_long: return "an overlong reply line";
        case ReplyError::too_many_lines: return "a reply of too many lines";
        case ReplyError::too_many_bytes: return "an overlong reply";
    }
    return "an unintelligible reply";
}

std::expected<std::optional<Reply>, ReplyError> ReplyParser::feed(std::string_view& input) {
    if (error_) return std::unexpected(*error_);
    while (!input.empty()) {
        const auto newline = input.find('\n');
        const auto piece = input.substr(0, newline);
        // The CR of a line of exactly the limit may be here already, its LF not.
        if (partial_.size() + piece.size() > limits::reply_line_bytes_max + 1) {
            error_ = ReplyError::line_too_long;
            return std::unexpected(*error_);
        }
        if (newline == input.npos) {
            partial_ += piece;
            input = {};
            return std::nullopt;
        }
        input.remove_prefix(newline + 1);

        std::string_view line = piece;
        if (!partial_.empty()) line = partial_ += piece;
        const auto is_last = add_line(line);
        partial_.clear();
        if (!is_last) {
            error_ = is_last.error();
            return std::unexpected(*error_);
        }
        if (*is_last) {
            reply_bytes_ = 0;
            return std::exchange(reply_, {});
        }
    }
    return std::nullopt;
}

std::expected<bool, ReplyError> ReplyParser::add_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > limits::reply_line_bytes_max) {
        return std::unexpected(ReplyError::line_too_long);
    }
    const auto code = parse_code(line);
    if (!code) return std::unexpected(ReplyError::bad_code);
    const char separator = line.size() > 3 ? line[3] : ' ';
    if (separator != ' ' && separator != '-') return std::unexpected(ReplyError::bad_code);
    if (!reply_.lines.empty() && *code != reply_.code) {
        return std::unexpected(ReplyError::code_changed);
    }
    if (reply_.lines.size() == limits::reply_lines_max) {
        return std::unexpected(ReplyError::too_many_lines);
    }
    reply_bytes_ += line.size();
    if (reply_bytes_ > limits::reply_bytes_max) return std::unexpected(ReplyError::too_many_bytes);

    reply_.code = *code;
    reply_.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view{});
    return separator == ' ';
}

}  // namespace mta::smtp
