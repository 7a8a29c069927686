#include "queue/message_table.h"

#include <algorithm>
#include <utility>

#include "mta/base/limits.h"

namespace queue {
namespace {

// The states of so many recipients take about as much room as one with the record's frame.
constexpr std::size_t few_recipients = 4;

std::uint32_t seconds_of(mta::Instant instant) {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(mta::to_unix_ms(instant), 0) / 1000);
}

// All bits of Notify: RecipientEntry::notify has room for them.
constexpr std::uint8_t notify_all = 0x0f;

void take_over(RecipientEntry& entry, const RecipientState& state) {
    entry.due = state.next_due;
    entry.last_attempt_s = seconds_of(state.last_attempt);
    entry.attempts = state.attempts;
    entry.phase = state.phase;
    entry.delay_notices = state.delay_notices;
    entry.is_in_doubt = state.in_doubt;
    entry.is_told_late = state.told_late;
}

}  // namespace

MessageHandle MessageTable::add_entry(const NewEntry& of) {
    MTA_ASSERT(of.id != 0 && of.recipients > 0 && of.recipients <= UINT16_MAX);
    const auto id_of = [this](MessageHandle other) { return messages_[other].id; };
    MTA_ASSERT(!by_id_.find(of.id, id_of));
    const auto added = messages_.add();
    auto& entry = messages_[added];
    entry.id = of.id;
    entry.recipient_count = static_cast<std::uint16_t>(of.recipients);
    entry.first_recipient = recipients_.add(entry.recipient_count);
    entry.size_kib = std::min<std::uint64_t>((of.size + 1023) / 1024, MessageEntry::size_kib_max) &
                     MessageEntry::size_kib_max;
    by_id_.add(of.id, added, id_of);
    return added;
}

RecipientEntry& MessageTable::start_recipient(const MessageEntry& entry, std::size_t number,
                                              const std::string& domain) {
    auto& recipient = recipients_.at(entry.first_recipient, static_cast<std::uint32_t>(number));
    recipient = RecipientEntry{};
    recipient.due = entry.arrival;
    recipient.domain = domain_for(domain);
    ++domains_[recipient.domain].recipients;
    return recipient;
}

void MessageTable::set_requests(MessageEntry& entry, const Requests& requests) {
    if (requests.is_empty()) return;
    entry.has_requests = 1;
    requests_.emplace(entry.id, requests);
}

const Requests& MessageTable::requests(const MessageEntry& message) const {
    static const Requests none;
    if (message.has_requests == 0) return none;
    return requests_.at(message.id);
}

void MessageTable::count_recipient(MessageEntry& entry, const RecipientEntry& recipient) {
    if (recipient.is_open()) {
        ++entry.open_count;
        ++open_count_;
    }
    if (recipient.phase == RecipientPhase::held) ++held_count_;
}

MessageHandle MessageTable::add(const Message& message) {
    const auto& recipients = message.envelope.recipients;
    const auto added =
        add_entry({.id = message.id, .size = message.facts.size, .recipients = recipients.size()});
    auto& entry = messages_[added];
    entry.arrival = message.arrival;
    entry.set_message_id_hash(hash_of_message_id(message.message_id));
    entry.sender = senders_.add(message.envelope.reverse_path);
    set_requests(entry, message.envelope.requests);
    const auto due = first_due(message.arrival, message.envelope.requests);
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        auto& recipient = start_recipient(entry, i, recipients[i].domain);
        recipient.address_hash = hash_of_address(recipients[i]);
        recipient.notify = recipients[i].notify & notify_all;
        recipient.due = due;
        count_recipient(entry, recipient);
    }
    return added;
}

MessageHandle MessageTable::add(const QueuedMessage& message) {
    const auto& recipients = message.recipients;
    const auto added =
        add_entry({.id = message.id, .size = message.size, .recipients = recipients.size()});
    auto& entry = messages_[added];
    entry.arrival = message.arrival;
    entry.set_message_id_hash(message.message_id_hash);
    entry.sender = senders_.add(message.sender);
    set_requests(entry, message.requests);
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const auto& state = recipients[i].state;
        auto& recipient = start_recipient(entry, i, recipients[i].domain);
        recipient.address_hash = recipients[i].address_hash;
        recipient.notify = recipients[i].notify & notify_all;
        take_over(recipient, state);
        if (state.last_error.status.klass != 0) set_error(recipient, state.last_error);
        count_recipient(entry, recipient);
    }
    return added;
}

void MessageTable::remove(MessageHandle message) {
    const auto entry = messages_[message];
    MTA_ASSERT(entry.id != 0 && !entry.first_bundle && !entry.copy);
    for (auto& recipient : recipients(message)) {
        if (recipient.phase == RecipientPhase::held) --held_count_;
        release_error(recipient);
        auto& domain = domains_[recipient.domain];
        if (--domain.recipients == 0) unused_domains_.push_back(recipient.domain);
    }
    senders_.release(entry.sender);
    if (entry.has_requests != 0) requests_.erase(entry.id);
    open_count_ -= entry.open_count;
    recipients_.remove(entry.first_recipient, entry.recipient_count);
    by_id_.remove(entry.id, [this](MessageHandle other) { return messages_[other].id; });
    messages_.remove(message);
}

MessageHandle MessageTable::find(MessageId id) const {
    return by_id_.find(id, [this](MessageHandle candidate) { return messages_[candidate].id; });
}

std::span<RecipientEntry> MessageTable::recipients(MessageHandle message) {
    const auto& entry = messages_[message];
    return recipients_.entries(entry.first_recipient, entry.recipient_count);
}
std::span<const RecipientEntry> MessageTable::recipients(MessageHandle message) const {
    const auto& entry = messages_[message];
    return recipients_.entries(entry.first_recipient, entry.recipient_count);
}

void MessageTable::set_phase(MessageEntry& message, RecipientEntry& recipient,
                             RecipientPhase phase) {
    if (recipient.phase == RecipientPhase::held) --held_count_;
    if (recipient.is_open()) {
        --message.open_count;
        --open_count_;
    }
    recipient.phase = phase;
    if (recipient.is_open()) {
        ++message.open_count;
        ++open_count_;
    }
    if (phase == RecipientPhase::held) ++held_count_;
}

void MessageTable::set_error(RecipientEntry& recipient, const mta::DeliveryError& error) {
    if (error.text.size() > mta::limits::kept_reply_bytes_max) {
        auto shorter = error;
        shorter.text.resize(mta::limits::kept_reply_bytes_max);
        return intern_error(recipient, shorter);
    }
    intern_error(recipient, error);
}

void MessageTable::intern_error(RecipientEntry& recipient, const mta::DeliveryError& error) {
    // Before the former error is released, because it may be the same one.
    const auto interned = errors_.intern(error);
    release_error(recipient);
    recipient.error = interned;
}

mta::DeliveryError MessageTable::error(const RecipientEntry& recipient) const {
    return recipient.error ? errors_[recipient.error] : mta::DeliveryError{};
}

void MessageTable::release_error(RecipientEntry& recipient) {
    if (recipient.error) errors_.release(std::exchange(recipient.error, {}));
}

RecipientState MessageTable::state_of(const RecipientEntry& recipient) const {
    return {.phase = recipient.phase,
            .in_doubt = recipient.is_in_doubt,
            .told_late = recipient.is_told_late,
            .delay_notices = recipient.delay_notices,
            .attempts = recipient.attempts,
            .next_due = recipient.due,
            .last_attempt = mta::from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000),
            .last_error = error(recipient)};
}

std::vector<RecipientState> MessageTable::states(MessageHandle message) const {
    std::vector<RecipientState> states;
    const auto entries = recipients(message);
    states.reserve(entries.size());
    for (const auto& entry : entries) states.push_back(state_of(entry));
    return states;
}

StateChanges MessageTable::changes(MessageHandle message,
                                   std::vector<std::uint32_t> numbers) const {
    const auto entries = recipients(message);
    if (entries.size() <= few_recipients || 2 * numbers.size() >= entries.size())
        return states(message);
    std::ranges::sort(numbers);
    const auto repeated = std::ranges::unique(numbers);
    numbers.erase(repeated.begin(), repeated.end());
    StateChanges changes;
    changes.recipients = static_cast<std::uint32_t>(entries.size());
    changes.changes.reserve(numbers.size());
    for (const auto number : numbers)
        changes.changes.push_back({number, state_of(entries[number])});
    return changes;
}

DomainHandle MessageTable::find_domain(std::string_view name) const {
    const auto found = domain_by_name_.find(name);
    return found == domain_by_name_.end() ? DomainHandle{} : found->second;
}

DomainHandle MessageTable::domain_for(const std::string& name) {
    const auto found = domain_by_name_.find(name);
    if (found != domain_by_name_.end()) return found->second;
    const auto added = domains_.add({name, 0, std::nullopt});
    domain_by_name_.emplace(name, added);
    new_domains_.push_back(added);
    return added;
}

void MessageTable::remove_domain(DomainHandle handle) {
    MTA_ASSERT(domains_[handle].recipients == 0);
    domain_by_name_.erase(domains_[handle].name);
    domains_.remove(handle);
}

}  // namespace queue
