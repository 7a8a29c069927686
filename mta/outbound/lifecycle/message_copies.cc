#include "mta/outbound/lifecycle/message_copies.h"

#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

// With so many open, reading it anew for each of them costs more than keeping it.
constexpr std::uint32_t many_recipients = 100;

// Envelope, entry and heap overhead beside the body, roughly.
std::uint64_t bytes_of(const queue::Message& message) {
    std::uint64_t bytes = sizeof(queue::Message) + message.body.size() + 256;
    for (const auto& recipient : message.envelope.recipients) {
        bytes += sizeof(recipient) + recipient.address.size() + recipient.domain.size() +
                 recipient.orcpt.size() + 32;
    }
    return bytes;
}

}  // namespace

void MessageCopies::keep(std::uint32_t message, std::shared_ptr<const queue::Message> copy) {
    auto& entry = core_.table().message(message);
    MTA_ASSERT(entry.copy == queue::nothing);
    const auto bytes = bytes_of(*copy);
    bytes_ += bytes;
    const auto index = copies_.add({std::move(copy), bytes, message, newest_, queue::nothing});
    (newest_ == queue::nothing ? oldest_ : copies_[newest_].newer) = index;
    newest_ = index;
    entry.copy = index;
    while (bytes_ > core_.settings->delivery.memory_bytes_max && oldest_ != queue::nothing)
        drop(copies_[oldest_].owner);
}

std::shared_ptr<const queue::Message> MessageCopies::get(std::uint32_t message) const {
    const auto index = core_.table().message(message).copy;
    return index == queue::nothing ? nullptr : copies_[index].message;
}

void MessageCopies::read(queue::MessageId id, OnRead on_read) {
    auto& waiting = reads_[id];
    waiting.push_back(std::move(on_read));
    if (waiting.size() > 1) return;
    core_.ports.store.read(id, [this, id, alive = std::weak_ptr(core_.is_alive)](auto stored) {
        if (!alive.expired()) this->on_read(id, std::move(stored));
    });
}

void MessageCopies::on_read(queue::MessageId id, queue::StoreResult<queue::StoredMessage> stored) {
    auto waiting = std::move(reads_.extract(id).mapped());
    const ReadResult result = stored ? ReadResult(std::move(stored->message))
                                     : std::unexpected(std::move(stored).error());
    const auto message = core_.table().find(id);
    if (result && message) {
        const auto& entry = core_.table().message(*message);
        if (entry.copy == queue::nothing && is_needed(entry, entry.reports_under_way > 0))
            keep(*message, *result);
    }
    for (auto& asked : waiting) asked(result);
}

bool MessageCopies::is_needed(const queue::MessageEntry& entry, bool is_reporting) {
    return is_reporting || entry.first_bundle != queue::nothing ||
           entry.open_count >= many_recipients;
}

void MessageCopies::release(std::uint32_t message, bool is_reporting) {
    if (!is_needed(core_.table().message(message), is_reporting)) drop(message);
}

void MessageCopies::drop(std::uint32_t message) {
    const auto index = std::exchange(core_.table().message(message).copy, queue::nothing);
    if (index == queue::nothing) return;
    const auto& copy = copies_[index];
    bytes_ -= copy.bytes;
    (copy.older == queue::nothing ? oldest_ : copies_[copy.older].newer) = copy.newer;
    (copy.newer == queue::nothing ? newest_ : copies_[copy.newer].older) = copy.older;
    copies_.remove(index);
}

}  // namespace mta::outbound
