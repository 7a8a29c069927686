#include "queue/message.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/base/mail_address.h"

namespace queue {
namespace {
constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t id_digits_min = 6;
constexpr std::size_t id_digits_max = 13;

// FNV-1a.
class Hash {
public:
    void add(char c) { value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x01000193; }
    void add(std::string_view text) {
        for (const char c : text) add(c);
    }
    [[nodiscard]] std::uint32_t value() const { return value_; }

private:
    std::uint32_t value_ = 0x811c9dc5;
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

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
        const auto digit = digits.find(lower(c));
        if (digit == digits.npos || id > message_id_max >> 5) return std::nullopt;
        id = id << 5 | digit;
    }
    return id;
}

std::uint32_t hash_of_address(const mta::AddressParts& address) {
    Hash hash;
    for (const char c : address.local_part) hash.add(lower(c));
    hash.add('@');
    hash.add(address.domain);
    return hash.value();
}

std::uint32_t hash_of_address(const Recipient& recipient) {
    return hash_of_address(
        mta::AddressParts{.local_part = mta::split_address(recipient.address).local_part,
                          .domain = recipient.domain});
}

std::string_view bare_message_id(std::string_view field) {
    const auto begin = field.find('<');
    const auto end = field.find('>', begin == field.npos ? 0 : begin);
    if (begin == field.npos || end == field.npos) return field;
    return field.substr(begin + 1, end - begin - 1);
}

std::uint32_t hash_of_message_id(std::string_view field) {
    Hash hash;
    hash.add(bare_message_id(field));
    return hash.value();
}

QueuedMessage to_queued(const StoredMessage& stored) {
    const auto& message = *stored.message;
    QueuedMessage queued{.id = message.id,
                         .arrival = message.arrival,
                         .size = message.facts.size,
                         .sender = message.envelope.reverse_path,
                         .requests = message.envelope.requests,
                         .message_id_hash = hash_of_message_id(message.message_id),
                         .recipients = {}};
    for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
        const auto& recipient = message.envelope.recipients[i];
        queued.recipients.push_back({.domain = recipient.domain,
                                     .address_hash = hash_of_address(recipient),
                                     .notify = recipient.notify,
                                     .state = {}});
        auto& state = queued.recipients.back().state;
        state.next_due = first_due(message.arrival, message.envelope.requests);
        if (!stored.states.empty()) state = stored.states[i];
    }
    return queued;
}

StateChanges::StateChanges(const std::vector<RecipientState>& all)
    : recipients(static_cast<std::uint32_t>(all.size())) {
    changes.reserve(all.size());
    for (const auto& state : all)
        changes.push_back({static_cast<std::uint32_t>(changes.size()), state});
}

void StateChanges::merge(StateChanges newer) {
    if (newer.are_whole()) {
        *this = std::move(newer);
        return;
    }
    recipients = std::max(recipients, newer.recipients);
    std::vector<Change> both;
    both.reserve(changes.size() + newer.changes.size());
    auto old = changes.begin();
    for (auto& change : newer.changes) {
        for (; old != changes.end() && old->recipient < change.recipient; ++old)
            both.push_back(std::move(*old));
        if (old != changes.end() && old->recipient == change.recipient) ++old;
        both.push_back(std::move(change));
    }
    std::move(old, changes.end(), std::back_inserter(both));
    changes = std::move(both);
}

bool StateChanges::apply_to(std::vector<RecipientState>& states) const {
    if (recipients != states.size()) return false;
    for (const auto& change : changes)
        if (change.recipient < states.size()) states[change.recipient] = change.state;
    return true;
}

}  // namespace queue
