#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/envelope.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/dot_stuffing.h"

namespace mta::smtp {

// Names a transaction within its ClientSession: 1, 2, 3... Zero is none.
using TransactionNumber = std::uint64_t;

// One message for recipients of one host. They must be at least one; how many a transaction may
// have (RFC 9422) is the caller's business.
struct Transaction {
    Envelope envelope;
    BodyFacts facts;
    // The whole body, un-stuffed, if it is in memory; must stay valid until the transaction's end.
    // Nothing: it is pulled.
    std::optional<std::string_view> body;
};

// What is to be said for a transaction, to a server of these capabilities: the commands with their
// CRLF, and what cannot be said at all. Nothing in a command but its end is a control character.
struct TransactionPlan {
    // The whole message cannot go to this host: nothing else here counts.
    std::optional<DeliveryError> error;
    std::string mail;
    // One for each recipient of the envelope, in that order: RCPT, or why this one cannot go.
    std::vector<Result<std::string>> recipients;
    bool uses_bdat = false;
    BodyEncoding encoding = BodyEncoding::dot_stuffed;
    bool passes_dsn_on = false;
    bool passes_deliver_by_on = false;  // BY is in MAIL
};

// What the server lacks is handled as the RFCs say. The first three are missing keywords
// (is_missing_keyword()): the message cannot go to this host as it is now.
//   SMTPUTF8    needed for an address that is not ASCII, or for a header that is not in a message
//               that came in with SMTPUTF8: 4.6.7 (RFC 6531 section 3.2). A recipient whose address
//               alone needs it fails alone. A domain is turned into A-labels first; an all-ASCII
//               message goes without the parameter, whatever it came in with.
//   8BITMIME    needed for a body with bytes >= 0x80: 4.6.3 (RFC 6152 section 3: bodies are not
//               converted, see conversion_for()). SMTPUTF8 includes it.
//   BINARYMIME  with CHUNKING, for a body that came as such: 4.6.1 (RFC 3030 section 3).
//   SIZE        smaller than the body: 5.3.4 (RFC 1870 section 6.1).
//   DSN         its parameters are left out: the `relayed` DSNs are the caller's part.
//   MT-PRIORITY it is left out (RFC 6710 section 5).
//   DELIVERBY   by-mode N goes without it, the sender is to be told by a `relayed` DSN; by-mode R
//               does not go: 5.4.7, as when less time is left than the server's least, or none
//               (RFC 2852 section 4).
// What must not be written into a command (controls, spaces, brackets outside of quotes, no UTF-8)
// is 5.1.7 in the reverse-path, 5.1.3 in a recipient, 5.5.4 in a parameter. BDAT is used where it
// is offered. `now`: BY tells how much time is left.
[[nodiscard]] TransactionPlan plan_transaction(const Transaction& transaction,
                                               const Capabilities& capabilities, Instant now);

// Whether the message has to be made 7-bit text for a server of these capabilities: the one place
// that decides it.
enum class Conversion : std::uint8_t {
    not_needed,
    // A body of 8-bit or binary parts below an ASCII header: as quoted-printable or base64 it can
    // go (RFC 6152 section 3 (2), RFC 3030 section 3).
    possible,
    // Its addresses or its header fields need SMTPUTF8, or its header has 8-bit bytes that belong
    // to no charset.
    impossible,
};
[[nodiscard]] Conversion conversion_for(const Transaction& transaction,
                                        const Capabilities& capabilities);

// The server was not even asked: it does not offer a keyword that the message or an address needs.
// Another host of the destination may offer it, and so may this one later: a greylisting
// front end (spamd) answers EHLO with one line. So its class is 4, and its reach the message.
[[nodiscard]] bool is_missing_keyword(const DeliveryError& error);

}  // namespace mta::smtp
