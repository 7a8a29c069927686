#include "mta/smtp/server/line_gatherer.h"

#include <utility>

#include "mta/base/limits.h"

namespace mta::smtp {

std::optional<LineGatherer::Line> LineGatherer::take(std::string_view& input) {
    if (std::exchange(is_whole_, false)) line_ = {};
    const auto newline = input.find('\n');
    const bool has_newline = newline != input.npos;
    if (line_.empty() && has_newline && newline > 0 && input[newline - 1] == '\r' &&
        newline < limits::command_line_bytes_max) {
        const Line line{.text = input.substr(0, newline - 1)};
        input.remove_prefix(newline + 1);
        return line;
    }
    const auto piece = input.substr(0, has_newline ? newline + 1 : newline);
    const bool has_cr = piece.size() > 1 ? piece[piece.size() - 2] == '\r' : ends_with_cr_;
    ends_with_cr_ = piece.back() == '\r';
    line_ += piece.substr(0, limits::command_line_bytes_max + 1 - line_.size());
    input.remove_prefix(piece.size());
    if (!has_newline) return std::nullopt;
    is_whole_ = true;
    const bool is_too_long = line_.size() > limits::command_line_bytes_max;
    if (!has_cr) return Line{.text = line_, .end = End::bare_lf, .is_too_long = is_too_long};
    const auto text_bytes = is_too_long ? line_.size() : line_.size() - 2;
    return Line{.text = std::string_view(line_).substr(0, text_bytes), .is_too_long = is_too_long};
}

}  // namespace mta::smtp
