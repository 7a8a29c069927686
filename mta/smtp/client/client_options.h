#pragma once
#include <string>

#include "mta/base/smtp_keyword.h"
#include "mta/base/time.h"

namespace mta::smtp {

// RFC 5321 section 4.5.3.2. Each limit is for one whole reply: a byte now and then does not prolong
// it. A final_dot that is too short makes duplicates.
struct ClientTimeouts {
    Millis greeting{300'000};
    Millis command{300'000};       // EHLO, MAIL, RCPT
    Millis data_command{120'000};  // DATA
    Millis data_block{180'000};    // from one piece of a body to the next
    Millis final_dot{600'000};
    Millis rset{20'000};
    Millis quit{5'000};
};

struct ClientOptions {
    std::string ehlo_name;  // a host name or address literal: printable ASCII without spaces
    std::string remote;     // goes into DeliveryError::remote
    ClientTimeouts timeouts;
    // If false, the session says HELO at once: for a host that hangs up on EHLO.
    bool ehlo = true;
    // Extensions that are not used although the server offers them.
    SmtpKeywords without;
};

}  // namespace mta::smtp
