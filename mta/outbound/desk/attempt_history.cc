#include "mta/outbound/desk/attempt_history.h"

#include <algorithm>
#include <utility>

namespace mta::outbound {
namespace {

using Kind = AttemptView::Kind;

// An attempt tries few hosts: what they said is among the message's newest entries.
constexpr int uncharged_looked_at_max = 64;

}  // namespace

bool AttemptHistory::is_from_before(const queue::RecipientEntry& recipient) const {
    return recipient.last_attempt_s != 0 &&
           from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000) < started_;
}

AttemptView AttemptHistory::earlier(const queue::RecipientEntry& recipient) const {
    return {.kind = Kind::earlier,
            .at = from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000),
            .attempts = recipient.attempts,
            .error = table_.error(recipient)};
}

std::size_t AttemptHistory::distance_to_newest(queue::MessageHandle message) const {
    const auto index = message.index();
    if (index >= newest_.size() || newest_[index] == 0) return 0;
    // Numbers are kept in 32 bits: of an entry that is four thousand million entries old it
    // is only known that it is forgotten.
    const auto next = static_cast<std::uint32_t>(forgotten_ + entries_.size() + 1);
    return static_cast<std::uint32_t>(next - newest_[index]);
}

void AttemptHistory::note(queue::MessageHandle message, const Attempt& attempt) {
    const auto& entry = table_.message(message);
    const auto newest = distance_to_newest(message);
    if (newest == 0) {
        for (std::uint32_t number = 0; number < entry.recipient_count; ++number) {
            const auto& recipient = table_.recipient(entry, number);
            if (!recipient.is_open() || !is_from_before(recipient)) continue;
            const auto before = earlier(recipient);
            append(message,
                   {.at = before.at,
                    .recipient = static_cast<std::uint16_t>(number),
                    .attempts = before.attempts,
                    .kind = Kind::earlier},
                   before.error);
        }
    }
    if (attempt.kind != Kind::not_charged) {
        if (auto* noted = find_uncharged(message, attempt.recipient, attempt.error)) {
            noted->kind = attempt.kind;
            return;
        }
    }
    append(message,
           {.at = attempt.at,
            .recipient = static_cast<std::uint16_t>(attempt.recipient),
            .kind = attempt.kind},
           attempt.error);
}

AttemptHistory::Entry* AttemptHistory::find_uncharged(queue::MessageHandle message,
                                                      std::uint32_t recipient,
                                                      const DeliveryError& error) {
    auto distance = distance_to_newest(message);
    for (int looked = 0; looked < uncharged_looked_at_max; ++looked) {
        if (distance == 0 || distance > entries_.size()) return nullptr;
        auto& entry = entries_[entries_.size() - distance];
        if (entry.recipient == recipient) {
            if (entry.kind != Kind::not_charged) return nullptr;
            const auto& words = words_[entry.words];
            const bool is_same = words.reply_code == error.reply_code &&
                                 words.remote == error.remote && error.text.starts_with(words.text);
            if (is_same && words.reply_code != 0) return &entry;
        }
        distance = entry.back == 0 ? 0 : distance + entry.back;
    }
    return nullptr;
}

void AttemptHistory::append(queue::MessageHandle message, Entry entry, const DeliveryError& error) {
    if (message.index() >= newest_.size()) newest_.resize(std::size_t{message.index()} + 1);
    // Seen from the new entry, which is to be the last.
    const auto back = distance_to_newest(message);
    entry.back = back > entries_.size() ? static_cast<std::uint32_t>(entries_.size() + 1)
                                        : static_cast<std::uint32_t>(back);
    if (error.text.size() > limits::attempt_words_bytes_max) {
        auto shorter = error;
        shorter.text.resize(limits::attempt_words_bytes_max);
        entry.words = words_.intern(shorter);
    } else {
        entry.words = words_.intern(error);
    }
    entries_.push_back(entry);
    newest_[message.index()] = static_cast<std::uint32_t>(forgotten_ + entries_.size());
    while (bytes() > bytes_max_ && entries_.size() > 1) {
        words_.release(entries_.front().words);
        entries_.pop_front();
        ++forgotten_;
    }
}

void AttemptHistory::forget(queue::MessageHandle message) {
    if (message.index() < newest_.size()) newest_[message.index()] = 0;
}

AttemptHistory::Remembered AttemptHistory::of(queue::MessageHandle message) const {
    const auto entries = table_.recipients(message);
    Remembered remembered;
    remembered.recipients.resize(entries.size());
    auto distance = distance_to_newest(message);
    if (distance == 0) {
        for (std::size_t number = 0; number < entries.size(); ++number) {
            if (is_from_before(entries[number]))
                remembered.recipients[number].push_back(earlier(entries[number]));
        }
        return remembered;
    }
    std::size_t looked = 0;
    while (distance != 0 && distance <= entries_.size()) {
        if (++looked > limits::attempts_looked_at_max) break;
        const auto& entry = entries_[entries_.size() - distance];
        auto& attempts = remembered.recipients[entry.recipient];
        if (attempts.size() < limits::attempts_shown_max) {
            attempts.push_back({.kind = entry.kind,
                                .at = entry.at,
                                .attempts = entry.attempts,
                                .error = words_[entry.words]});
        } else {
            remembered.is_cut = true;
        }
        distance = entry.back == 0 ? 0 : distance + entry.back;
    }
    remembered.is_cut |= distance != 0;
    for (auto& attempts : remembered.recipients) std::ranges::reverse(attempts);
    return remembered;
}

std::size_t AttemptHistory::bytes() const {
    return entries_.size() * sizeof(Entry) + newest_.capacity() * sizeof(std::uint32_t) +
           words_.bytes();
}

}  // namespace mta::outbound
