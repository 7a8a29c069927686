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
    bad_code,  // no three digits from 200 to 599, or neither space nor hyphen behind them
    endless,   // more than limits::reply_raw_bytes_max before its last line has ended
};
[[nodiscard]] std::string_view describe(ReplyError error);

// Turns bytes into replies, in time linear in their number and with at most reply_bytes_max of
// memory. The same bytes give the same replies wherever they are cut.
//
// A reply that is too long still counts: at the final dot its code decides whether the message was
// taken, and to be tried again for the sake of a text would make duplicates. What a line has beyond
// reply_line_bytes_max is dropped, and so is the text beyond reply_lines_max lines or
// reply_bytes_max bytes. For the same reason take_cut() gives what was said of a reply whose end
// does not come.
//
// Lenient where real servers are sloppy: a line may end in a bare LF, the text may be missing
// altogether ("250"), and of codes that differ from line to line the last one counts.
class ReplyParser {
public:
    // Consumes one reply from the front of `input`. Empty optional: all was consumed, and more
    // bytes are needed. After an error the stream is out of step: it says the same for ever, close
    // the connection.
    [[nodiscard]] std::expected<std::optional<Reply>, ReplyError> feed(std::string_view& input);

    // The reply under way, as far as it has come: after an error, or when the connection is lost or
    // the time is over. Its code is that of the last line that had a whole one; nothing if none
    // had. The parser is of no use afterwards.
    [[nodiscard]] std::optional<Reply> take_cut();

    // In the middle of a reply.
    [[nodiscard]] bool has_partial() const { return !partial_.empty() || !reply_.lines.empty(); }

private:
    void keep(std::string_view piece);
    [[nodiscard]] std::expected<bool, ReplyError> add_line(std::string_view line);

    std::string partial_;  // a line that was cut
    Reply reply_;
    std::size_t reply_bytes_ = 0;  // of those that are kept
    std::size_t raw_bytes_ = 0;    // of this reply, line ends included
    std::optional<ReplyError> error_;
};

}  // namespace mta::smtp
