#include "mta/api/queue/totals.h"

#include "mta/api/json_values.h"
#include "mta/base/earliest.h"

namespace mta::api {
namespace {}  // namespace

void Totals::add(const outbound::MessageHit& hit) {
    add_message(hit);
    for (const auto& recipient : hit.recipients) add_recipient(recipient);
}

void Totals::add_message(const outbound::MessageHit& hit) {
    ++messages;
    bytes += hit.size_bytes;
    keep_earlier(oldest, hit.arrived);
}

void Totals::add_recipient(const outbound::RecipientHit& recipient) {
    ++recipients;
    keep_earlier(next, recipient.next_attempt);
}

void Totals::add(const Totals& other) {
    messages += other.messages;
    recipients += other.recipients;
    bytes += other.bytes;
    keep_earlier(oldest, other.oldest);
    keep_earlier(next, other.next);
}

nlohmann::json to_json(const Totals& totals) {
    return {{"messages", totals.messages},
            {"recipients", totals.recipients},
            {"bytes", totals.bytes},
            {"oldest", time_or_null(totals.oldest)},
            {"next_attempt", time_or_null(totals.next)}};
}

}  // namespace mta::api
