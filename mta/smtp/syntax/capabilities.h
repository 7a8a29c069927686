#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/smtp_keyword.h"
#include "mta/smtp/syntax/reply.h"

namespace mta::smtp {

// What a server's EHLO reply offers. All members are off and empty for a server that knows only
// HELO.
struct Capabilities {
    bool pipelining = false;             // RFC 2920
    bool eight_bit_mime = false;         // RFC 6152
    bool smtputf8 = false;               // RFC 6531
    bool dsn = false;                    // RFC 3461
    bool chunking = false;               // RFC 3030
    bool binary_mime = false;            // RFC 3030
    bool enhanced_status_codes = false;  // RFC 2034
    bool starttls = false;               // RFC 3207
    bool requiretls = false;             // RFC 8689
    bool size = false;                   // RFC 1870: MAIL takes SIZE=
    std::uint64_t size_bytes_max = 0;    // 0: no limit known
    bool mt_priority = false;            // RFC 6710
    bool deliver_by = false;             // RFC 2852
    std::uint32_t deliver_by_min_s = 0;  // minimum for BY with R
    // RFC 4954, in upper case, in the server's order, each once. The old "AUTH=LOGIN" counts too.
    std::vector<std::string> auth_mechanisms;
    // RFC 9422; 0: no limit. Recipients per transaction, transactions per connection, recipient
    // domains per transaction.
    std::uint32_t recipients_max = 0;
    std::uint32_t transactions_max = 0;
    std::uint32_t recipient_domains_max = 0;

    // Removes the keywords, as if the server had not announced them.
    void remove(SmtpKeywords keywords);
    bool operator==(const Capabilities&) const = default;
};

// Reads the lines after the first one, which is a greeting. Keywords match in any case. Unknown
// keywords and invalid parameters are skipped.
[[nodiscard]] Capabilities parse_capabilities(const Reply& ehlo_reply);

}  // namespace mta::smtp
