#pragma once
#include <expected>
#include <string_view>

#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// What the EHLO reply offers besides PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES. A command
// or parameter that is not offered is answered as unknown. BINARYMIME is never offered, because
// stored bodies consist of lines that end with CRLF.
struct Extensions {
    bool smtputf8 = true;
    bool dsn = true;
    bool chunking = true;
    bool starttls = false;
    bool auth = false;
    // RFC 6710. Parsed for every client, but offered only to clients that may raise priorities.
    bool mt_priority = false;
    bool future_release = false;  // RFC 4865
    bool deliver_by = false;      // RFC 2852
    bool operator==(const Extensions&) const = default;
};

// The verb at the front of a command line, whatever follows it and whatever spaces and control
// characters surround it: the client's intention, not what parse_command() accepts.
[[nodiscard]] Verb verb_of(std::string_view line);

// Parses one command line without its CRLF, of at most limits::command_line_bytes_max bytes. The
// error is the reply to the client: 500 for an unknown command or control characters, 501 for bad
// arguments, 502 for a known command that is not available, 555 for a parameter that is not
// offered.
//
// Trailing spaces are tolerated, and so are spaces between "FROM:" or "TO:" and the path.
// `transaction_utf8`: the transaction's MAIL had SMTPUTF8, so that ORCPT may have its UTF-8 form.
// For MAIL itself its own parameter counts.
[[nodiscard]] std::expected<Command, ServerReply> parse_command(std::string_view line,
                                                                const Extensions& extensions,
                                                                bool transaction_utf8);

}  // namespace mta::smtp
