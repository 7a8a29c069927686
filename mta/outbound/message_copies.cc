#include "mta/outbound/message_copies.h"

#include <utility>

namespace mta::outbound {
namespace {

// Envelope, entry and heap overhead beside the body, roughly.
std::uint64_t bytes_of(const queue::Message& message) {
    return message.body.size() + 512 + message.envelope.recipients.size() * 128;
}

}  // namespace

void MessageCopies::keep(std::uint32_t message, std::shared_ptr<const queue::Message> copy) {
    auto& entry = core_.table().message(message);
    MTA_ASSERT(entry.copy == queue::nothing);
    bytes_ += bytes_of(*copy);
    const auto index = copies_.add({std::move(copy), message, newest_, queue::nothing});
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

void MessageCopies::drop(std::uint32_t message) {
    const auto index = std::exchange(core_.table().message(message).copy, queue::nothing);
    if (index == queue::nothing) return;
    const auto& copy = copies_[index];
    bytes_ -= bytes_of(*copy.message);
    (copy.older == queue::nothing ? oldest_ : copies_[copy.older].newer) = copy.newer;
    (copy.newer == queue::nothing ? newest_ : copies_[copy.newer].older) = copy.older;
    copies_.remove(index);
}

}  // namespace mta::outbound
