#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace mta::smtp {

// The contents of a Received field (RFC 5321 section 4.4).
struct Trace {
    std::string_view helo_name;  // as the client sent it, not validated
    IpAddress remote;
    std::string_view hostname;  // of this relay
    bool is_extended = true;    // EHLO, not HELO
    bool is_smtputf8 = false;
    bool is_tls = false;
    bool is_authenticated = false;
    std::string_view queue_id;
    std::string_view only_recipient;  // empty if there are several: it would disclose the others
    std::int8_t priority = 0;         // RFC 6710 section 9; 0 is not written
    Instant now;
};

// "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTP" ...: RFC 3848, RFC 6531 section 4.3.
[[nodiscard]] std::string_view with_protocol(const Trace& trace);

// One Received field, folded, with its CRLFs. Each of its lines is shorter than 998 bytes.
[[nodiscard]] std::string format_received(const Trace& trace);

// A client's name in a form that is safe in a header: every character except letters, digits and
// "-._:[]" becomes '?'. At most 255 bytes; "unknown" for an empty name.
[[nodiscard]] std::string sanitise_helo_name(std::string_view name);

}  // namespace mta::smtp
