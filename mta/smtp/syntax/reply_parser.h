#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/limits.h"
#include "mta/smtp/syntax/reply.h"

namespace mta::smtp {

enum class ReplyError : std::uint8_t {
    bad_code,  // not three digits from 200 to 599, or neither a space nor a hyphen after them
    endless,   // more than limits::reply_raw_bytes_max before the end of the last line
};
[[nodiscard]] std::string_view describe(ReplyError error);

// Parses bytes into replies, in linear time and with at most reply_bytes_max of memory. The same
// bytes give the same replies wherever they are cut.
//
// A reply that is too long still counts: after the final dot its code decides whether the message
// was accepted, and another attempt because of a long text would cause duplicates. The part of a
// line beyond reply_line_bytes_max is dropped, and so is the text beyond reply_lines_max lines or
// reply_bytes_max bytes. For the same reason take_cut() returns what has arrived of a reply whose
// end does not come.
//
// The parser is lenient where real servers are sloppy: a line may end with a bare LF, the text may
// be missing altogether ("250"), and if the codes of a reply's lines differ, the last one counts.
class ReplyParser {
public:
    // Consumes one reply from the front of `input`. An empty optional means that all input was
    // consumed and more is needed. After an error the stream is out of step: every further call
    // returns the same error, and the connection should be closed.
    [[nodiscard]] std::expected<std::optional<Reply>, ReplyError> feed(std::string_view& input);

    // The current reply as far as it has arrived: after an error, when the connection is lost, or
    // after a timeout. Its code is that of the last line with a complete code; without a value
    // there was none. The parser cannot be used afterwards.
    [[nodiscard]] std::optional<Reply> take_cut();

    // Part of a reply has arrived.
    [[nodiscard]] bool has_partial() const { return !partial_.empty() || !reply_.lines.empty(); }

private:
    void keep(std::string_view piece);
    [[nodiscard]] std::expected<bool, ReplyError> add_line(std::string_view line);

    std::string partial_;  // a line that is not complete yet
    Reply reply_;
    std::size_t reply_bytes_ = 0;  // of the lines that are kept
    std::size_t raw_bytes_ = 0;    // of this reply, line ends included
    std::optional<ReplyError> error_;
};

}  // namespace mta::smtp
