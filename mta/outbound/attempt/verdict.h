#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/diagnosis/diagnosis.h"
#include "mta/outbound/destination/host_keywords.h"
#include "mta/smtp/client/client_session.h"
#include "queue/destination.h"

namespace mta::outbound {

// What the end of a transaction, or of an attempt, means for each recipient. Everything here is a
// pure function. What a single reply means was decided before (mta/diagnosis); here is decided what
// goes on to the next host within the attempt, and what is charged when no host is left:
//
//   5xx for a recipient or the message         final: no other host is asked (RFC 5321 section 5.1)
//   4xx for a recipient (RCPT)                 charged as the attempt's answer: another MX would
//                                              ask the same mailbox, or greylist a second time
//   "too many recipients" (452, 552) when      not charged: they go in another transaction at once
//   others were taken
//   4xx for the message (MAIL, DATA, body)     the next host; charged if no host takes it
//   host level (connect, greeting, EHLO)       the next address or host; the message is not
//                                              charged: address and destination pay with their
//                                              health
//   the session breaks after EHLO (421,        the host is up. The next host; charged if no host
//   close, timeout, nonsense) at MAIL, RCPT    takes it. Recipients whose RCPT had no answer yet
//   or DATA                                    go one by one from then on: one of them may be the
//                                              reason
//   the same when one RCPT of several had no   that recipient is charged, the others go at once
//   answer yet
//   the same after the final dot               in doubt, charged: another host now could duplicate
//   "your IPv6 address has no name" (PTR)      an IPv4 address of the destination if it has any,
//                                              else as the reply says
//   "your address is blocked", and the pool    no failure: the source is suspended for the
//   of [[source]]s has another one             destination, the recipients go at once from another
//   DNS of a host, for now                     the next host; then as host level
//   DNS, for good (no such host at all)        by MX a failure of the message; of a static route's
//                                              hosts the operator's mistake, as host level
//   the host lacks a keyword that the message  the next host; then charged. 5.6.x if the message
//   needs (8BITMIME, SMTPUTF8, BINARYMIME)     has met this before and the destination has lacked
//                                              it for an hour (MissingKeywords)

// What a host has answered about the message, in increasing order: of several answers in one
// attempt the highest counts. It decides what the destination learns from the attempt.
enum class Heard : std::uint8_t {
    nothing,  // no EHLO was answered: a failure of the destination if any host was asked
    broken,   // a session broke after EHLO: the host is up; its pace slows if that repeats
    refusal,  // a host answered, and left the message to other hosts or to another time
    settled,  // a host took or refused it, or a recipient: the destination works
};

// What becomes of one recipient.
struct Ruling {
    enum class Kind : std::uint8_t {
        delivered,
        failed,     // for good
        deferred,   // charged
        in_doubt,   // charged; the host may have taken it
        next_host,  // another host is asked in this attempt
        again,      // another transaction at once, nothing is charged
        accepted,   // the same, in a transaction without those that broke the session
        postponed,  // nothing is charged; it waits for the destination, or for a pause
    };
    Kind kind = Kind::delivered;
    DeliveryError error = {};   // why it is not delivered
    bool is_of_host = false;    // the error is the host's and says nothing about the recipient
    bool is_uncharged = false;  // an answer that counts only if no other host takes the recipient
};

struct Verdict {
    // In the order of the attempt's recipients.
    std::vector<Ruling> rulings;
    Heard heard = Heard::nothing;  // in this transaction
    bool has_failed = false;       // no host was left, and none could be spoken to

    [[nodiscard]] bool has(Ruling::Kind kind) const;
};

using TransactionOutcome = smtp::ClientSession::TransactionEnded;

// What each recipient's failure means, in the order of the recipients. Empty if all were taken.
using Meanings = std::vector<diagnosis::Diagnosis>;
[[nodiscard]] Meanings meanings_of(const TransactionOutcome& outcome);

// What judge() goes by beside the answers.
struct Known {
    // The refusal of our address has suspended the source: another one takes over.
    bool is_source_suspended = false;
    // Recipients that are refused because our IPv6 address has no name go to an IPv4 address.
    bool turns_to_v4 = false;
    // The attempt may ask another host: it has a connection of its own, and the relay is not
    // stopping.
    bool can_go_on = true;
};
// Takes the errors out of `outcome`.
[[nodiscard]] Verdict judge(TransactionOutcome& outcome, const Meanings& meanings,
                            const Known& known);

// No host is left, or none may be asked now.
struct NoHostLeft {
    bool is_static = false;            // the hosts are those of a route
    bool have_all_been_asked = false;  // no host was left out
    // The most telling reason why hosts could not be spoken to, if there is any. Its class becomes
    // the one that counts: a host that does not exist says nothing of hosts that were not asked.
    std::optional<DeliveryError>* host_error = nullptr;
};
// `refusals`: for each recipient what a host said about it, if any did; moved from.
[[nodiscard]] Verdict judge(std::vector<std::optional<DeliveryError>>& refusals,
                            const NoHostLeft& end);

// What the destination learns. `has_failed`: hosts were asked, and none could be spoken to.
[[nodiscard]] queue::Destination::Ended::How how_of(Heard heard, bool has_failed);

// ---- What an outcome says of the host ----

// The host has answered about the message or a recipient.
[[nodiscard]] bool was_answered(const TransactionOutcome& outcome);
// It has answered about the recipient at this place, with any reply.
[[nodiscard]] bool was_answered(const TransactionOutcome& outcome, std::size_t place);
// The failure of the host as a whole, if it is one; null if it is none.
[[nodiscard]] const DeliveryError* host_failure(const TransactionOutcome& outcome);
// The first refusal of the address that we come from; null if there is none.
[[nodiscard]] const DeliveryError* address_refusal(const TransactionOutcome& outcome,
                                                   const Meanings& meanings);
// Some recipient is refused because our address has no name in the reverse DNS.
[[nodiscard]] bool is_name_wanted(const TransactionOutcome& outcome, const Meanings& meanings);
// Every recipient was refused because the host lacks a keyword: it was not asked anything.
[[nodiscard]] bool lacks_keyword(const Meanings& meanings);
// How far the transaction came: what HostKeywords concludes from.
[[nodiscard]] HostKeywords::Progress keyword_progress(const TransactionOutcome& outcome);

}  // namespace mta::outbound
