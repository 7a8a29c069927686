#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/outcome.h"

namespace mta::smtp {

// The server's reply to one command (RFC 5321 section 4.2, RFC 2034).
struct ServerReply {
    std::uint16_t code = 0;
    // The class equals the code's first digit. {} if the reply has none (banner, EHLO, 354).
    EnhancedStatus status;
    // For people, with what to do. Lines are separated by '\n'; each gets the code and the status.
    std::string text;
    bool operator==(const ServerReply&) const = default;
};

// Appends the reply with its CRLFs to `out`. Control characters and bytes >= 0x80 become '?', so
// that no text, whatever its source, can form a reply of its own.
void append_reply(std::string& out, const ServerReply& reply);
[[nodiscard]] std::string to_string(const ServerReply& reply);

[[nodiscard]] ServerReply out_of_order(std::string_view text);  // 503 5.5.1
[[nodiscard]] ServerReply etrn_not_available();                 // 502 5.5.1

}  // namespace mta::smtp
