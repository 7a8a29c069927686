#include "queue/log/index.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace queue::log {

Index::Place Index::pack(const Location& where) {
    MTA_ASSERT(where.segment <= UINT32_MAX && where.offset % 8 == 0 && where.bytes % 8 == 0);
    return {static_cast<std::uint32_t>(where.segment), where.offset / 8, where.bytes / 8};
}

Location Index::unpack(const Place& place) {
    return {place.segment, place.offset_8 * 8, place.bytes_8 * 8};
}

std::uint32_t Index::slot_of(MessageId id) const {
    return by_id_.find(id, [this](std::uint32_t slot) { return entries_[slot].id; });
}

LiveMessage Index::live_of(const Entry& entry) const {
    LiveMessage live{.enqueue = unpack(entry.enqueue), .state = unpack(entry.state), .bodies = {}};
    if (const auto bodies = bodies_.find(entry.id); bodies != bodies_.end()) {
        live.bodies = bodies->second;
    }
    return live;
}

void Index::set(Entry& entry, const LiveMessage& message) {
    entry.enqueue = pack(message.enqueue);
    entry.state = pack(message.state);
    if (message.bodies.empty()) {
        bodies_.erase(entry.id);
    } else {
        bodies_[entry.id] = message.bodies;
    }
}

std::optional<LiveMessage> Index::find(MessageId id) const {
    const std::lock_guard guard(mutex_);
    const auto slot = slot_of(id);
    if (slot == nothing) return std::nullopt;
    return live_of(entries_[slot]);
}

std::size_t Index::size() const {
    const std::lock_guard guard(mutex_);
    return entries_.size();
}

void Index::add(MessageId id, const LiveMessage& message) {
    const std::lock_guard guard(mutex_);
    MTA_ASSERT(slot_of(id) == nothing);
    const auto slot = entries_.add({.id = id, .enqueue = {}, .state = {}});
    by_id_.add(id, slot, [this](std::uint32_t other) { return entries_[other].id; });
    set(entries_[slot], message);
}

std::optional<Location> Index::set_state(MessageId id, const Location& state) {
    const std::lock_guard guard(mutex_);
    const auto slot = slot_of(id);
    if (slot == nothing) return std::nullopt;
    return unpack(std::exchange(entries_[slot].state, pack(state)));
}

std::optional<LiveMessage> Index::replace(MessageId id, const LiveMessage& message) {
    const std::lock_guard guard(mutex_);
    const auto slot = slot_of(id);
    if (slot == nothing) return std::nullopt;
    auto before = live_of(entries_[slot]);
    set(entries_[slot], message);
    return before;
}

std::optional<LiveMessage> Index::remove(MessageId id) {
    const std::lock_guard guard(mutex_);
    const auto slot = slot_of(id);
    if (slot == nothing) return std::nullopt;
    auto before = live_of(entries_[slot]);
    by_id_.remove(id, [this](std::uint32_t other) { return entries_[other].id; });
    entries_.remove(slot);
    bodies_.erase(id);
    old_homes_.erase(id);
    return before;
}

void Index::add_old_home(MessageId id, std::uint64_t segment) {
    const std::lock_guard guard(mutex_);
    auto& homes = old_homes_[id];
    if (std::ranges::find(homes, segment) == homes.end()) homes.push_back(segment);
}

std::vector<std::uint64_t> Index::old_homes(MessageId id) const {
    const std::lock_guard guard(mutex_);
    const auto found = old_homes_.find(id);
    return found == old_homes_.end() ? std::vector<std::uint64_t>() : found->second;
}

void Index::forget_old_home(std::uint64_t segment) {
    const std::lock_guard guard(mutex_);
    for (auto at = old_homes_.begin(); at != old_homes_.end();) {
        std::erase(at->second, segment);
        at = at->second.empty() ? old_homes_.erase(at) : std::next(at);
    }
}

}  // namespace queue::log
