#pragma once
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/time.h"
#include "queue/message.h"

namespace mta::cli {

// The .json beside an .eml: posthouse(8) has its members.
//
//     {"sender": "ann@office.example", "recipients": ["bob@them.example"]}
//
// is enough to be read; what is written has all that the spool knows, and reads back as the same.

// "queued", "in_doubt", "held", "delivered", "failed", "expired", "cancelled".
[[nodiscard]] std::string_view state_name(const queue::RecipientState& state);

[[nodiscard]] nlohmann::json to_json(const queue::Message& message,
                                     const std::vector<queue::RecipientState>& states);

// What there is to be delivered: only recipients that are still open.
struct ReadMessage {
    queue::Envelope envelope;
    std::vector<queue::RecipientState> states;  // one a recipient
    bool has_states = false;                    // some state differs from that of new mail
    Instant arrival;
    std::size_t recipients_done = 0;  // that were left out
    queue::MessageId about = 0;       // a report: the message that it is about
};
// `now`: the arrival unless the file tells it. The error is a sentence. Members that it does not
// know are ignored.
[[nodiscard]] std::expected<ReadMessage, std::string> read_message(std::string_view text,
                                                                   Instant now);

}  // namespace mta::cli
