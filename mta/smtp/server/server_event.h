#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>

#include "mta/base/envelope.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/address.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// What a ServerSession asks and reports. The comment above ServerSession says which answer belongs
// to which question.
namespace server_event {

// May mail be taken from this client now? Asked at MAIL, so that a client need not send a message
// in vain. A reply of 4xx defers the mail, one of 5xx counts as the client's error.
struct MailAsked {
    std::string reverse_path;  // without <>; empty: the null sender
    std::optional<std::uint64_t> declared_size;
};
// May this client send to this recipient? Not asked about a bare postmaster, which every server
// takes.
struct RecipientAsked {
    Address recipient;
};
// Mail for a host is wanted (ETRN, RFC 1985). The answer is always a reply: section 5.3 there.
struct EtrnAsked {
    EtrnArguments arguments;
};
struct MessageBegins {
    Envelope envelope;
    std::optional<std::uint64_t> declared_size;  // by MAIL's SIZE
    std::string helo_name;                       // as the client sent it
};
struct MessageEnds {
    BodyFacts facts;
    std::string message_id;
};
struct MessageAborted {
    std::string reason;  // "connection lost", "bare CR or LF"
};
// For the log: a command or message that was answered with 4xx or 5xx.
struct Refused {
    // The line as it came, at most 200 bytes of it; "DATA", "BDAT" for a body.
    std::string command;
    ServerReply reply;
    bool is_repetition = false;  // to be counted, not logged: another recipient too many
};
enum class EndReason : std::uint8_t {
    quit,
    lost,             // on_closed(), or on_input_end() without QUIT
    timed_out,        // a command or the data took too long
    too_many_errors,  // limits::session_errors_max and those beside it
    // Early input, a line without CR, a BDAT whose size cannot be read, text that may be that of a
    // refused message.
    violation,
    shut_down,
    made_room,  // make_room()
};
// The last event.
struct SessionEnded {
    EndReason reason = EndReason::quit;
    std::string text;  // for the log: more about it, may be empty
};

}  // namespace server_event

using ServerEvent =
    std::variant<server_event::MailAsked, server_event::RecipientAsked, server_event::EtrnAsked,
                 server_event::MessageBegins, server_event::MessageEnds,
                 server_event::MessageAborted, server_event::Refused, server_event::SessionEnded>;

// The answer to MailAsked, RecipientAsked and EtrnAsked: "yes, and these are the client's rights by
// now", or the reply.
using ServerVerdict = std::expected<ClientRights, ServerReply>;

}  // namespace mta::smtp
