#include "queue/message.h"

#include <algorithm>

namespace queue {
namespace {
constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t id_digits_min = 6;
constexpr std::size_t id_digits_max = 13;
}  // namespace

std::string format_id(MessageId id) {
    std::string text;
    for (; id != 0 || text.size() < id_digits_min; id >>= 5) text += digits[id & 31];
    std::ranges::reverse(text);
    return text;
}

std::optional<MessageId> parse_id(std::string_view text) {
    if (text.size() < id_digits_min || text.size() > id_digits_max) return std::nullopt;
    MessageId id = 0;
    for (const char c : text) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        const auto digit = digits.find(lower);
        if (digit == digits.npos || id > UINT64_MAX >> 5) return std::nullopt;
        id = id << 5 | digit;
    }
    return id;
}

std::uint32_t hash_of_address(std::string_view address) {
    // FNV-1a.
    const auto at = address.rfind('@');
    std::uint32_t hash = 0x811c9dc5;
    for (std::size_t i = 0; i < address.size(); ++i) {
        auto c = static_cast<unsigned char>(address[i]);
        if (at != address.npos && i > at && c >= 'A' && c <= 'Z') c += 'a' - 'A';
        hash = (hash ^ c) * 0x01000193;
    }
    return hash;
}

QueuedMessage to_queued(const StoredMessage& stored) {
    const auto& message = *stored.message;
    QueuedMessage queued{.id = message.id,
                         .arrival = message.arrival,
                         .size = message.facts.size,
                         .sender = message.envelope.reverse_path,
                         .recipients = {}};
    for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
        const auto& recipient = message.envelope.recipients[i];
        queued.recipients.push_back({.domain = recipient.domain,
                                     .address_hash = hash_of_address(recipient.address),
                                     .notify = recipient.notify,
                                     .state = {}});
        auto& state = queued.recipients.back().state;
        state.next_due = message.arrival;
        if (!stored.states.empty()) state = stored.states[i];
    }
    return queued;
}

}  // namespace queue
