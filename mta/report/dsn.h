#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/report/notify_policy.h"
#include "queue/message.h"

namespace mta::report {

// So much of the original goes back with a failure at most; a larger one is returned as its header.
inline constexpr std::size_t returned_bytes_max = 50'000;

// What became of one recipient.
struct DsnOutcome {
    // Index into the original's envelope.recipients.
    std::size_t recipient = 0;
    // failure, delay: the last error. relayed: the host that took it in `remote`, and its words in
    // `text` with `reply_code` and `status` of class 2.
    mta::DeliveryError error;
    mta::Instant last_attempt;  // Instant{}: there was none
    // failure: given up because the message became too old, not because of a final refusal.
    bool has_expired = false;
    // The last attempt ended after the final dot without a reply: it may have arrived all the same.
    bool is_in_doubt = false;
};

struct DsnRequest {
    DsnKind kind = DsnKind::failure;
    // The message reported about. Its body is not looked at: `head` is.
    const queue::Message& original;
    // The first bytes of the original's body: all of it, or at least returned_bytes_max bytes. May
    // be empty if it can no longer be read; the report then goes without it.
    std::string_view head;
    // At least one; those that is_report_wanted() for.
    const std::vector<DsnOutcome>& outcomes;
    // Of the relay: a valid domain. In Reporting-MTA, From and Message-ID.
    std::string_view hostname;
    // Whom the reader may ask for help; empty: postmaster@hostname.
    std::string_view postmaster;
    mta::Instant now;
    // delay: when we shall give up (Will-Retry-Until).
    mta::Instant give_up_at;
};

// Writes the report that tells the original's sender what became of his message: a
// multipart/report of RFC 3464 in RFC 6522's form (RFC 6533's where addresses are in UTF-8): words
// for people, the fields for machines, and the original or its header.
//
// Each report is a complete queue::Message: from the null sender to the original's reverse path,
// NOTIFY=NEVER, `about` the original, its body inline (at most limits::body_inline_bytes_max) and
// its facts true. As a rule there is one; a message with very many failed recipients gets several,
// each about some of them. `allocate_id` is asked once for each.
//
// Nothing if the original's sender is null, or an address that cannot be answered.
//
// Whatever remote hosts and the original's author wrote is untrusted: it cannot add a header field,
// end a part or break a line.
[[nodiscard]] std::vector<std::shared_ptr<const queue::Message>> make_dsns(
    const DsnRequest& request, const std::function<queue::MessageId()>& allocate_id);

}  // namespace mta::report
