#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/events/report_events.h"
#include "queue/message.h"

namespace mta::outbound {

using events::ReportKind;

// So much of the original's body is fetched for a report about it: what RET=FULL may return.
inline constexpr std::uint32_t report_head_bytes = 50'000;

struct RecipientOutcome {
    std::size_t recipient = 0;  // index into original.envelope.recipients
    // failure, delay: the last error. relayed: the reply that took it (class 2), its host in
    // `remote`.
    DeliveryError error;
    Instant last_attempt;  // Instant{}: none
    // Answers of remotes about this message or recipient, refusals and deferrals.
    std::uint32_t attempts = 0;
    bool has_expired = false;
    bool is_in_doubt = false;
};

// Another message of the same sender that waits as well.
struct AlsoDelayed {
    std::shared_ptr<const queue::Message> message;
    std::string_view head;  // of the body, as far as it is at hand
    std::vector<RecipientOutcome> outcomes;
    Instant give_up_at;
};

// What a report (DSN, RFC 3464) is to say: one for all recipients of a message with which the same
// kind of thing happened at the same time. NOTIFY and the null sender have been looked at: every
// recipient listed is to be reported.
struct ReportRequest {
    ReportKind kind = ReportKind::failure;
    const queue::Message& original;  // its body may be empty: `head` counts
    std::string_view head;           // of the body: all of it, or at least report_head_bytes; empty
                                     // if it cannot be read
    const std::vector<RecipientOutcome>& outcomes;
    Instant now;
    Instant give_up_at;  // delay: when the first of them expires
    // delay: the sender's other messages that this one report lists, oldest first, and how many
    // there are beyond those.
    std::vector<AlsoDelayed> also;
    std::size_t also_unlisted = 0;
};

// Makes the messages to be queued (as a rule one); none if there is no sender. They get their ids
// from Store::allocate_id(). The queue manager hands them to the store, atomically with the state
// that they report, and delivers them.
using MakeReports =
    std::function<std::vector<std::shared_ptr<const queue::Message>>(const ReportRequest&)>;

}  // namespace mta::outbound
