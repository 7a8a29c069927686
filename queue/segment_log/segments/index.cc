#include "queue/segment_log/segments/index.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace queue::segment_log {

Index::Place Index::pack(const Location& where) {
    MTA_ASSERT(where.segment <= UINT32_MAX && where.offset % 8 == 0 && where.bytes % 8 == 0);
    return {static_cast<std::uint32_t>(where.segment), where.offset / 8, where.bytes / 8};
}

Location Index::unpack(const Place& place) {
    return {place.segment, place.offset_8 * 8, place.bytes_8 * 8};
}

std::vector<Location> Index::unpack(const std::vector<Place>& places) {
    std::vector<Location> locations;
    locations.reserve(places.size());
    for (const auto& place : places) locations.push_back(unpack(place));
    return locations;
}

Index::EntryHandle Index::slot_of(MessageId id) const { return by_id_.find(id, IdOf{entries_}); }

LiveMessage Index::live_of(const Entry& entry) const {
    LiveMessage live{
        .enqueue = unpack(entry.enqueue), .state = unpack(entry.state), .deltas = {}, .bodies = {}};
    if (const auto deltas = deltas_.find(entry.id); deltas != deltas_.end()) {
        live.deltas = unpack(deltas->second.places);
    }
    if (const auto bodies = bodies_.find(entry.id); bodies != bodies_.end()) {
        live.bodies = bodies->second;
    }
    return live;
}

void Index::set(Entry& entry, const LiveMessage& message) {
    entry.enqueue = pack(message.enqueue);
    entry.state = pack(message.state);
    deltas_.erase(entry.id);
    for (const auto& delta : message.deltas) insert_delta(entry.id, delta);
    if (message.bodies.empty()) {
        bodies_.erase(entry.id);
    } else {
        bodies_[entry.id] = message.bodies;
    }
}

std::uint64_t Index::insert_delta(MessageId id, const Location& delta) {
    auto& [places, bytes] = deltas_[id];
    const auto place = pack(delta);
    places.insert(std::ranges::upper_bound(places, place), place);
    return bytes += delta.bytes;
}

std::optional<LiveMessage> Index::find(MessageId id) const {
    const mta::MutexLock lock(mutex_);
    const auto slot = slot_of(id);
    if (!slot) return std::nullopt;
    return live_of(entries_[slot]);
}

std::uint64_t Index::home_of(MessageId id) const {
    const mta::MutexLock lock(mutex_);
    const auto slot = slot_of(id);
    return slot ? entries_[slot].enqueue.segment : 0;
}

bool Index::has_state_at(MessageId id, const Location& where) const {
    const mta::MutexLock lock(mutex_);
    const auto slot = slot_of(id);
    if (!slot) return false;
    const auto place = pack(where);
    if (entries_[slot].state == place) return true;
    const auto deltas = deltas_.find(id);
    return deltas != deltas_.end() && std::ranges::binary_search(deltas->second.places, place);
}

std::size_t Index::size() const {
    const mta::MutexLock lock(mutex_);
    return entries_.size();
}

void Index::add(MessageId id, const LiveMessage& message) {
    const mta::MutexLock lock(mutex_);
    MTA_ASSERT(!slot_of(id));
    const auto slot = entries_.add({.id = id, .enqueue = {}, .state = {}});
    by_id_.add(id, slot, IdOf{entries_});
    set(entries_[slot], message);
}

std::optional<Superseded> Index::set_state(MessageId id, const Location& state) {
    const mta::MutexLock lock(mutex_);
    const auto slot = slot_of(id);
    if (!slot) return std::nullopt;
    Superseded before{.state = unpack(std::exchange(entries_[slot].state, pack(state))),
                      .deltas = {}};
    if (auto deltas = deltas_.extract(id); !deltas.empty())
        before.deltas = unpack(deltas.mapped().places);
    return before;
}

std::optional<std::uint64_t> Index::add_delta(MessageId id, const Location& delta) {
    const mta::MutexLock lock(mutex_);
    if (!slot_of(id)) return std::nullopt;
    return insert_delta(id, delta);
}

std::optional<LiveMessage> Index::replace(MessageId id, const LiveMessage& message) {
    const mta::MutexLock lock(mutex_);
    const auto slot = slot_of(id);
    if (!slot) return std::nullopt;
    auto before = live_of(entries_[slot]);
    set(entries_[slot], message);
    return before;
}

std::optional<LiveMessage> Index::remove(MessageId id) {
    const mta::MutexLock lock(mutex_);
    const auto slot = slot_of(id);
    if (!slot) return std::nullopt;
    auto before = live_of(entries_[slot]);
    by_id_.remove(id, IdOf{entries_});
    entries_.remove(slot);
    deltas_.erase(id);
    bodies_.erase(id);
    old_homes_.erase(id);
    return before;
}

void Index::add_old_home(const OldHome& home) {
    const mta::MutexLock lock(mutex_);
    auto& homes = old_homes_[home.id];
    if (std::ranges::find(homes, home.segment) == homes.end()) homes.push_back(home.segment);
}

std::vector<std::uint64_t> Index::old_homes(MessageId id) const {
    const mta::MutexLock lock(mutex_);
    const auto found = old_homes_.find(id);
    return found == old_homes_.end() ? std::vector<std::uint64_t>() : found->second;
}

void Index::forget_old_home(std::uint64_t segment) {
    const mta::MutexLock lock(mutex_);
    for (auto at = old_homes_.begin(); at != old_homes_.end();) {
        std::erase(at->second, segment);
        at = at->second.empty() ? old_homes_.erase(at) : std::next(at);
    }
}

}  // namespace queue::segment_log
