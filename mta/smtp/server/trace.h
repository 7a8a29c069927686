#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace mta::smtp {

// What the Received line tells (RFC 5321 section 4.4).
struct Trace {
    std::string_view helo_name;  // as the client said it: anything
    IpAddress remote;
    std::string_view hostname;  // ours
    bool is_extended = true;    // EHLO, not HELO
    bool is_smtputf8 = false;
    bool is_tls = false;
    bool is_authenticated = false;
    std::string_view queue_id;
    std::string_view only_recipient;  // empty: several, which would tell them of each other
    std::int8_t priority = 0;         // RFC 6710 section 9; 0 is not told
    Instant now;
};

// "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTP" ...: RFC 3848, RFC 6531 section 4.3.
[[nodiscard]] std::string_view with_protocol(const Trace& trace);

// One Received field, folded, with its CRLFs; each of its lines has less than 998 bytes.
[[nodiscard]] std::string format_received(const Trace& trace);

// A client's name in the form in which it may stand in a header: whatever is not a letter, a digit,
// or one of "-._:[]" becomes '?'; at most 255 bytes; "unknown" if it is empty.
[[nodiscard]] std::string sanitise_helo_name(std::string_view name);

}  // namespace mta::smtp
