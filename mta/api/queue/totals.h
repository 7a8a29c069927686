#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "mta/base/time.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::api {

// Sums over the messages that a scan has found.
struct Totals {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
    std::uint64_t bytes = 0;  // of the messages, each rounded up to KiB
    std::optional<Instant> oldest;
    std::optional<Instant> next;  // the earliest next attempt; empty if none has a time

    void add(const outbound::MessageHit& hit);
    // One more message, without its recipients.
    void add_message(const outbound::MessageHit& hit);
    // One more recipient, of a message that is counted already.
    void add_recipient(const outbound::RecipientHit& recipient);
    void add(const Totals& other);
};

[[nodiscard]] nlohmann::json to_json(const Totals& totals);

}  // namespace mta::api
