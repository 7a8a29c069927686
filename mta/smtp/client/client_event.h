#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/smtp_keyword.h"
#include "mta/smtp/client/client_transaction.h"

namespace mta::smtp {

// What a ClientSession reports to its driver.

// No transaction is under way: the driver may start one, or quit. Comes after EHLO, and when the
// last transaction has ended.
struct SessionReady {};

// A transaction is over. Each one ends in exactly one of these.
struct TransactionEnded {
    TransactionNumber number = 0;
    // One for each recipient of the envelope, in that order. A good one means that the server has
    // taken over the responsibility.
    std::vector<Result<void>> recipients;
    // The reply to the final dot, for the recipients that are good; 0 and empty if there are none.
    std::uint16_t reply_code = 0;
    std::string reply;
    // The whole body had left, and the connection broke, timed out or went out of step before the
    // server's answer: a recipient that has 4.4.2 or 4.5.0 here may have got the message. An
    // orderly close before the body's turn leaves no doubt: replies come in order, and the body's
    // was not the next one.
    bool in_doubt = false;
    // The session broke (421, close, timeout, nonsense) in the middle of the transaction: the
    // recipients that had no answer of their own yet, by their place in the envelope. Empty if the
    // session did not break.
    std::vector<std::size_t> broken_off;
    // Those of `broken_off` whose RCPT the server had still to answer. It had accepted those before
    // the first of these, and has seen nothing of those behind the last. If there is exactly one,
    // its error has Scope::recipient; all others have Scope::message.
    std::vector<std::size_t> suspects;
    // The transaction says nothing about the host: try again at once on a new connection, and
    // charge nothing. Either the connection had served before and was gone before it answered
    // anything about this transaction (as a rule the server's idle timeout), or RSET failed in any
    // way, or the transaction in front of this one broke the session or ended it with a refusal.
    bool never_began = false;
    // The session ended before the answer because the server had offered CHUNKING and then did not
    // know BDAT; nothing was taken. Try again at once on a new connection with CHUNKING in
    // ClientOptions::without, and remember that for this host.
    bool chunking_refused = false;
    // The connection broke, timed out or went out of step in the first transaction that used this
    // keyword: PIPELINING, with several commands under way, or CHUNKING, at BDAT. Perhaps the
    // server only claims to know it. Unless `in_doubt`, nothing was taken.
    std::optional<SmtpKeyword> suspect = std::nullopt;
    bool has_timed_out = false;  // the session broke because of a timeout
    // How many commands of the transaction were answered, without RSET.
    std::uint32_t answers = 0;
    // Which of PIPELINING and CHUNKING were used.
    SmtpKeywords used = {};
    // NOTIFY, RET, ENVID and ORCPT were passed on. If not, this relay owes a `relayed` DSN to a
    // good recipient with NOTIFY=SUCCESS (RFC 3461 section 5.2.2).
    bool dsn_passed_on = false;
    bool deliver_by_passed_on = false;  // BY was in MAIL
};

enum class EndReason : std::uint8_t {
    quit,         // the driver's; the error is empty
    idle_closed,  // the server hung up while no transaction was under way, or did not execute RSET,
                  // or accepted the last message in a reply that broke off: no failure
    message,      // the host is up; the transaction under way, if there was one, says why
    failed,       // a failure of the host, named by the error
};

// The last event.
struct SessionEnded {
    EndReason reason = EndReason::failed;
    DeliveryError error;
};

using ClientEvent = std::variant<SessionReady, TransactionEnded, SessionEnded>;

}  // namespace mta::smtp
