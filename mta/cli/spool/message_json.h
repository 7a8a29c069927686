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

// The .json file beside an .eml file; posthouse(8) has its members. To be read, it needs no more
// than
//
//     {"sender": "ann@office.example", "recipients": ["bob@them.example"]}
//
// A file that is written has all that the spool knows, and reads back as the same.

// "queued", "in_doubt", "held", "delivered", "failed", "expired", "cancelled".
[[nodiscard]] std::string_view state_name(const queue::RecipientState& state);

[[nodiscard]] nlohmann::json to_json(const queue::Message& message,
                                     const std::vector<queue::RecipientState>& states);

// A message that is to be delivered, with the recipients that are still open.
struct ReadMessage {
    queue::Envelope envelope;
    std::vector<queue::RecipientState> states;  // one for each recipient
    bool has_states = false;                    // a state differs from that of new mail
    Instant arrival;
    std::size_t recipients_done = 0;  // in the file, and left out
    queue::MessageId about = 0;       // of a report: the message that it is about
};
// `now` is the arrival unless the file has one. Unknown members are ignored. The error is a
// sentence.
[[nodiscard]] std::expected<ReadMessage, std::string> read_message(std::string_view text,
                                                                   Instant now);

}  // namespace mta::cli
