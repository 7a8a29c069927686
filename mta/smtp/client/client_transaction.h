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

// Names a transaction within its ClientSession: 1, 2, 3... Zero names none.
using TransactionNumber = std::uint64_t;

// One message for one or more recipients at one host. The caller keeps to the host's limit on the
// recipients of a transaction (RFC 9422).
struct Transaction {
    Envelope envelope;
    BodyFacts facts;
    // The whole body, un-stuffed, if it is in memory; it must stay valid until the transaction's
    // end. If it is empty, the session pulls the body piece by piece.
    std::optional<std::string_view> body;
};

// The commands of a transaction, with their CRLF, for a server of known capabilities, and the
// reasons why a command cannot be sent at all. A command has no control character before its CRLF.
struct TransactionPlan {
    // Why the message cannot go to this host at all; then no other member counts.
    std::optional<DeliveryError> error;
    std::string mail;
    // One for each recipient of the envelope, in that order: RCPT, or why the message cannot go to
    // this recipient.
    std::vector<Result<std::string>> recipients;
    bool uses_bdat = false;
    BodyEncoding encoding = BodyEncoding::dot_stuffed;
    bool passes_dsn_on = false;
    bool passes_deliver_by_on = false;  // BY is in MAIL
};

// What the server lacks is handled as the RFCs say:
//
//   keyword      effect if it is missing
//   ----------------------------------------------------------------------------------------------
//   SMTPUTF8     4.6.7 (RFC 6531 section 3.2) if it is needed: for an address that is not ASCII, or
//                for a header that is not ASCII in a message that was received with SMTPUTF8. If
//                only a recipient's own address needs it, that recipient alone fails. A domain is
//                turned into A-labels first. An all-ASCII message goes without the parameter even
//                if it was received with it.
//   8BITMIME     4.6.3 for a body with bytes >= 0x80 (RFC 6152 section 3; bodies are not converted,
//                see conversion_for()). SMTPUTF8 includes it.
//   BINARYMIME   4.6.1 for a body that was received with it; CHUNKING is needed too (RFC 3030
//                section 3).
//   SIZE         5.3.4 if the limit is smaller than the body (RFC 1870 section 6.1).
//   DSN          The parameters are left out; the caller owes the `relayed` DSNs.
//   MT-PRIORITY  The parameter is left out (RFC 6710 section 5).
//   DELIVERBY    By-mode N goes without it, and the caller owes the sender a `relayed` DSN. By-mode
//                R fails with 5.4.7, as it does when less time is left than the server's minimum,
//                or none (RFC 2852 section 4).
//
// The first three are missing keywords (diagnosis::Diagnosis): the message cannot go to this host
// as it is now. Text that must not be written into a command (control characters, spaces, brackets
// outside of quotes, invalid UTF-8) is 5.1.7 in the reverse-path, 5.1.3 in a recipient and 5.5.4 in
// a parameter. BDAT is used where CHUNKING is offered. BY is computed from `now`.
[[nodiscard]] TransactionPlan plan_transaction(const Transaction& transaction,
                                               const Capabilities& capabilities, Instant now);

// Whether the message has to be converted to 7-bit text for a server of these capabilities. No
// other place decides it.
enum class Conversion : std::uint8_t {
    not_needed,
    // The body has 8-bit or binary parts below an ASCII header: it can be sent as quoted-printable
    // or base64 (RFC 6152 section 3 (2), RFC 3030 section 3).
    possible,
    // The addresses or header fields need SMTPUTF8, or the header has 8-bit bytes that belong to no
    // charset.
    impossible,
};
[[nodiscard]] Conversion conversion_for(const Transaction& transaction,
                                        const Capabilities& capabilities);

}  // namespace mta::smtp
