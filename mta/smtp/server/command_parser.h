#pragma once
#include <expected>
#include <string_view>

#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// What the EHLO reply offers besides PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES. What is
// not offered is answered as unknown. BINARYMIME is not there: bodies have CRLF lines in this
// house.
struct Extensions {
    bool smtputf8 = true;
    bool dsn = true;
    bool chunking = true;
    bool starttls = false;
    bool auth = false;
    // Understood from everybody, and offered to those whose wish counts (RFC 6710).
    bool mt_priority = false;
    bool future_release = false;  // RFC 4865
    bool deliver_by = false;      // RFC 2852
    bool operator==(const Extensions&) const = default;
};

// The verb at the front of a command line, whatever follows it, and whatever spaces and control
// characters are around it: what the client meant, not what parse_command() accepts.
[[nodiscard]] Verb verb_of(std::string_view line);

// Reads one command line without its CRLF, of at most limits::command_line_bytes_max bytes. The
// error is what the client should hear: 500 unknown command or control characters, 501 bad
// arguments, 502 known but not here, 555 a parameter that is not offered.
//
// Trailing spaces are tolerated, and spaces between "FROM:" or "TO:" and the path.
// `transaction_utf8`: MAIL had SMTPUTF8 (for ORCPT's UTF-8 form; for MAIL itself its own parameter
// counts).
[[nodiscard]] std::expected<Command, ServerReply> parse_command(std::string_view line,
                                                                const Extensions& extensions,
                                                                bool transaction_utf8);

}  // namespace mta::smtp
