#include "mta/base/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "mta/base/assert.h"

namespace mta {
namespace {
constexpr std::uint32_t unset = 0xffffffff;
}

TimerWheel::TimerWheel(Instant start) : now_ms_(to_unix_ms(start)) {
    nodes_.resize(anchors);
    for (std::uint32_t slot = 0; slot < anchors; ++slot) nodes_[slot] = {slot, slot, 0};
}

bool TimerWheel::is_set(Id id) const {
    const auto node = std::size_t{anchors} + id;
    return node < nodes_.size() && nodes_[node].next != unset;
}

Instant TimerWheel::time_of(Id id) const {
    MTA_ASSERT(is_set(id));
    return from_unix_ms(nodes_[std::size_t{anchors} + id].at_ms);
}

void TimerWheel::set(Id id, Instant at) {
    const auto node = anchors + id;
    if (node >= nodes_.size()) {
        nodes_.resize(std::max<std::size_t>(node + 1, nodes_.size() + nodes_.size() / 2),
                      Node{unset, unset, 0});
    }
    if (nodes_[node].next != unset) {
        if (nodes_[node].at_ms == to_unix_ms(at)) return;
        unlink(node);
    }
    nodes_[node].at_ms = to_unix_ms(at);
    link(node, slot_for(nodes_[node].at_ms));
}

void TimerWheel::clear(Id id) {
    if (is_set(id)) unlink(anchors + id);
}

std::optional<Instant> TimerWheel::next() const {
    if (count_ == 0) return std::nullopt;
    if (nodes_[past_slot].next != past_slot) return from_unix_ms(now_ms_);
    const auto slot = first_slot();
    MTA_ASSERT(slot);
    if (slot->level > 0) return from_unix_ms(slot->begins_ms);
    return from_unix_ms(nodes_[nodes_[slot->slot].next].at_ms);
}

void TimerWheel::advance(Instant now, std::vector<Id>& fired) {
    const auto target_ms = std::max(to_unix_ms(now), now_ms_);
    empty_slot(past_slot, fired);
    while (const auto slot = first_slot()) {
        if (slot->begins_ms > target_ms) break;
        now_ms_ = std::max(now_ms_, slot->begins_ms);
        empty_slot(slot->level * level_slots + slot->slot, fired);
        empty_slot(past_slot, fired);
    }
    now_ms_ = target_ms;
}

std::uint32_t TimerWheel::slot_for(std::int64_t at_ms) const {
    if (at_ms <= now_ms_) return past_slot;
    // Too far for the coarsest wheel: as far as it goes, and from there once more.
    constexpr auto coarsest_ms = reach_ms / level_slots;
    const auto seen_ms = std::min(at_ms, now_ms_ + reach_ms - coarsest_ms);
    const auto differs = static_cast<std::uint64_t>(seen_ms ^ now_ms_);
    const auto level = std::min(
        (static_cast<std::uint32_t>(std::bit_width(differs)) - 1) / level_bits, levels - 1);
    const auto slot =
        static_cast<std::uint32_t>(seen_ms >> (level * level_bits)) & (level_slots - 1);
    return level * level_slots + slot;
}

std::optional<TimerWheel::Slot> TimerWheel::first_slot() const {
    for (std::uint32_t level = 0; level < levels; ++level) {
        if (occupied_[level] == 0) continue;
        const auto shift = level * level_bits;
        const auto present = static_cast<std::uint32_t>(now_ms_ >> shift) & (level_slots - 1);
        const auto ahead = static_cast<std::uint32_t>(
            std::countr_zero(std::rotr(occupied_[level], static_cast<int>(present))));
        const auto slot = (present + ahead) & (level_slots - 1);
        const auto begins_ms = ((now_ms_ >> shift) + ahead) << shift;
        return Slot{level, slot, begins_ms};
    }
    return std::nullopt;
}

void TimerWheel::link(std::uint32_t node, std::uint32_t slot) {
    const auto last = nodes_[slot].previous;
    nodes_[node].previous = last;
    nodes_[node].next = slot;
    nodes_[last].next = node;
    nodes_[slot].previous = node;
    if (slot < past_slot) occupied_[slot / level_slots] |= std::uint64_t{1} << (slot % level_slots);
    ++count_;
}

void TimerWheel::unlink(std::uint32_t node) {
    const auto previous = nodes_[node].previous;
    const auto next = nodes_[node].next;
    nodes_[previous].next = next;
    nodes_[next].previous = previous;
    nodes_[node].next = unset;
    if (previous == next && previous < past_slot) {  // only the slot's own node is left
        occupied_[previous / level_slots] &= ~(std::uint64_t{1} << (previous % level_slots));
    }
    --count_;
}

// Fires what is due and moves the rest to finer wheels.
void TimerWheel::empty_slot(std::uint32_t slot, std::vector<Id>& fired) {
    // Detached first: a timer beyond the coarsest wheel's reach may come back into this very slot.
    auto remaining = std::size_t{0};
    for (auto node = nodes_[slot].next; node != slot; node = nodes_[node].next) ++remaining;
    for (; remaining > 0; --remaining) {
        const auto node = nodes_[slot].next;
        unlink(node);
        if (nodes_[node].at_ms <= now_ms_) {
            fired.push_back(node - anchors);
        } else {
            link(node, slot_for(nodes_[node].at_ms));
        }
    }
}

}  // namespace mta
