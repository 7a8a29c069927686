#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/smtp/server/data_stream.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// What follows a DATA of our own client that was refused: the next command, or the text of the
// message all the same.
//
// A client that does not wait sends the text even if its DATA was refused, a malformed DATA too.
// The text may contain commands that another person has written, so it is never obeyed: it is
// skipped to its end, and gets the reply that DATA got. The first line decides what the input is:
//
//   the first line     the client never sent early    the client has sent early
//   arrives early                                     the text
//   a dot, a field     the text                       the text
//   a command          a command                      unclear: 421
//   anything else      unclear: 421                   the text
//
// An unclear line ends the session with 421 rather than being skipped, because a person who
// mistyped a command waits for a reply.
class RefusedText {
public:
    enum class Line : std::uint8_t { command, text, unclear };
    enum class Skipped : std::uint8_t {
        some,      // the text goes on
        all,       // its final dot has come
        too_much,  // there is more of it than a message may have
    };

    RefusedText(ServerReply reply, const DataLimits& limits)
        : reply_(std::move(reply)), limits_(limits) {}

    // Classifies the first line after the reply to DATA.
    [[nodiscard]] static Line kind_of(Verb verb, std::string_view line, bool has_sent_early);
    // The text begins with what comes next.
    void begin() { stream_.emplace(limits_, std::string_view{}, scratch_); }
    // After begin(): takes text off the front of `input`.
    [[nodiscard]] Skipped skip(std::string_view& input);
    // The reply to DATA, which the text gets, too.
    [[nodiscard]] const ServerReply& reply() const { return reply_; }

private:
    ServerReply reply_;
    DataLimits limits_;
    std::optional<DataStream> stream_;
    std::string scratch_;
};

}  // namespace mta::smtp
