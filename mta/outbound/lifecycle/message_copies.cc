#include "mta/outbound/lifecycle/message_copies.h"

#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

// With so many open, reading it anew for each of them costs more than keeping it.
constexpr std::uint32_t many_recipients = 100;

// Envelope, entry and heap overhead beside the body, roughly.
std::uint64_t bytes_of(const queue::Message& message) {
    std::uint64_t bytes =
        sizeof(queue::Message) + message.added_header.size() + message.body.size() + 256;
    for (const auto& recipient : message.envelope.recipients) {
        bytes += sizeof(recipient) + recipient.address.size() + recipient.domain.size() +
                 recipient.orcpt.size() + 32;
    }
    return bytes;
}

}  // namespace

void MessageCopies::keep(queue::MessageHandle message, std::shared_ptr<const queue::Message> copy) {
    auto& entry = table_.message(message);
    MTA_ASSERT(!entry.copy);
    const auto bytes = bytes_of(*copy);
    bytes_ += bytes;
    const auto added = copies_.add({std::move(copy), bytes, message, newest_, {}});
    (newest_ ? copies_[newest_].newer : oldest_) = added;
    newest_ = added;
    entry.copy = added;
    while (bytes_ > context_.settings().delivery.memory_bytes_max && oldest_)
        drop(copies_[oldest_].owner);
}

std::shared_ptr<const queue::Message> MessageCopies::get(queue::MessageHandle message) const {
    const auto copy = table_.message(message).copy;
    return copy ? copies_[copy].message : nullptr;
}

void MessageCopies::read(queue::MessageId id, OnRead on_read) {
    auto& waiting = reads_[id];
    waiting.push_back(std::move(on_read));
    if (waiting.size() > 1) return;
    store_.read(id, answers_.guard([this, id](queue::StoreResult<queue::StoredMessage> stored) {
        this->on_read(id, std::move(stored));
    }));
}

void MessageCopies::on_read(queue::MessageId id, queue::StoreResult<queue::StoredMessage> stored) {
    auto waiting = std::move(reads_.extract(id).mapped());
    const ReadResult result = stored ? ReadResult(std::move(stored->message))
                                     : std::unexpected(std::move(stored).error());
    const auto message = table_.find(id);
    if (result && message) {
        const auto& entry = table_.message(message);
        if (!entry.copy && is_needed(entry, entry.reports_under_way > 0)) keep(message, *result);
    }
    for (auto& asked : waiting) asked(result);
}

bool MessageCopies::is_needed(const queue::MessageEntry& entry, bool is_reporting) {
    return is_reporting || entry.first_bundle || entry.open_count >= many_recipients;
}

void MessageCopies::release(queue::MessageHandle message, bool is_reporting) {
    if (!is_needed(table_.message(message), is_reporting)) drop(message);
}

void MessageCopies::drop(queue::MessageHandle message) {
    const auto handle = std::exchange(table_.message(message).copy, {});
    if (!handle) return;
    const auto& copy = copies_[handle];
    bytes_ -= copy.bytes;
    (copy.older ? copies_[copy.older].newer : oldest_) = copy.newer;
    (copy.newer ? copies_[copy.newer].older : newest_) = copy.older;
    copies_.remove(handle);
}

}  // namespace mta::outbound
