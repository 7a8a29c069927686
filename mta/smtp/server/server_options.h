#pragma once
#include <cstdint>
#include <string>

#include "mta/base/envelope.h"
#include "mta/base/ip_address.h"
#include "mta/base/time.h"
#include "mta/smtp/server/command_parser.h"
#include "mta/smtp/server/data_stream.h"

namespace mta::smtp {

// What the administrator decides about all sessions.
struct ServerOptions {
    std::string hostname;    // in the greeting, EHLO's reply and Received
    std::string postmaster;  // where RCPT TO:<postmaster> goes; empty: postmaster@hostname
    Extensions extensions;
    std::uint64_t message_bytes_max = 50'000'000;  // 552 5.3.4
    std::uint32_t recipients_max = 1000;           // different ones; 452 4.5.3
    std::uint32_t received_hops_max = 50;          // 554 5.4.6
    // For a whole command line; 421 4.4.2. A session without mail ends after six times as long.
    Millis command_timeout{300'000};
    Millis data_timeout{300'000};             // without a byte; 421 4.4.2
    std::uint32_t data_rate_bytes_min = 100;  // a second, on average over each minute; 0: off; 421
    Millis future_release_max{0};             // a longer HOLDFOR, a later HOLDUNTIL: 501 5.5.4
    std::uint32_t deliver_by_min_s = 0;       // a shorter BY with R: 555 5.5.4
};

// What one client may do. It can change during a session (the client authenticates), so it is asked
// for anew at each decision.
struct ClientRights {
    // FUTURERELEASE and DELIVERBY are for our own clients, as far as `extensions` has them: they
    // make this relay keep mail, or return it, when the client wishes. Our own clients may also
    // send early (EarlyInput).
    bool is_own = false;
    // The client's MT-PRIORITY counts. Other clients may only ask for less than the others get; a
    // higher priority is lowered to 0, and the 250 for the message says so (RFC 6710 section
    // 2.3.6).
    bool may_prioritise = false;
    // ETRN is offered and obeyed (RFC 1985).
    bool may_wake = false;
    bool operator==(const ClientRights&) const = default;
};

struct ClientInfo {
    Endpoint remote;
    bool is_tls = false;
    bool is_authenticated = false;
    ClientRights rights = {};  // as far as they are known when the client connects
};

// What a session knows of its client by now.
struct KnownClient {
    ClientInfo info;
    std::string helo_name = {};  // as the client sent it; empty before EHLO or HELO
    bool is_extended = false;    // EHLO, not HELO
};

[[nodiscard]] inline DataLimits data_limits(const ServerOptions& options) {
    return {.message_bytes_max = options.message_bytes_max,
            .received_hops_max = options.received_hops_max};
}
// The extensions that one client may use.
[[nodiscard]] Extensions extensions_for(const ServerOptions& options, const ClientRights& rights);
// Where mail for the bare `<postmaster>` goes.
[[nodiscard]] Recipient postmaster_of(const ServerOptions& options);
// The text of EHLO's reply, without codes. `extensions`: those of this client.
[[nodiscard]] std::string ehlo_text(const ServerOptions& options, const Extensions& extensions,
                                    const ClientRights& rights, Instant now);

}  // namespace mta::smtp
