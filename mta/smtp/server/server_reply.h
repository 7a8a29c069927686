#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/outcome.h"

namespace mta::smtp {

// What a server says to one command (RFC 5321 section 4.2, RFC 2034).
struct ServerReply {
    std::uint16_t code = 0;
    // Its class is the code's first digit. {}: none (banner, EHLO, 354).
    EnhancedStatus status;
    // For people: says what to do. Lines are joined by '\n', each gets code and status.
    std::string text;
    bool operator==(const ServerReply&) const = default;
};

// Appends the reply with its CRLFs to `out`. Control characters and bytes >= 0x80 become '?', so
// that no text, wherever it comes from, can make a reply of its own.
void append_reply(std::string& out, const ServerReply& reply);
[[nodiscard]] std::string to_string(const ServerReply& reply);

}  // namespace mta::smtp
