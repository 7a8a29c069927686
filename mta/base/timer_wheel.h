#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "mta/base/time.h"

namespace mta {

// One timer for each small integer (an index into a slab), for millions of integers. set(), clear()
// and a firing take constant time whatever the number of timers; each takes 16 bytes.
//
// A hierarchy of wheels: level n has 64 slots of 64^n ms; a timer lies where its time first
// differs from the present and moves down as the time comes nearer.
class TimerWheel {
public:
    using Id = std::uint32_t;

    explicit TimerWheel(Instant start = Instant{});

    // Replaces an earlier time. A time that has passed fires at the next advance().
    void set(Id id, Instant at);
    void clear(Id id);
    [[nodiscard]] bool is_set(Id id) const;
    // The time that was set. Only if is_set().
    [[nodiscard]] Instant time_of(Id id) const;
    [[nodiscard]] bool empty() const { return count_ == 0; }

    // No timer fires before this. It may be earlier than the first timer (when one has to move to a
    // finer wheel), never later. Nothing if no timer is set.
    [[nodiscard]] std::optional<Instant> next() const;

    // Takes out every timer with a time <= now and appends it to `fired`, earlier ones first within
    // a millisecond's reach. A `now` before an earlier one counts as that one.
    void advance(Instant now, std::vector<Id>& fired);

private:
    static constexpr std::uint32_t level_bits = 6;
    static constexpr std::uint32_t level_slots = 1u << level_bits;
    static constexpr std::uint32_t levels = 6;  // 2^36 ms: two years; longer times move up again
    static constexpr std::uint32_t past_slot = levels * level_slots;  // already due when set
    static constexpr std::uint32_t anchors = past_slot + 1;
    static constexpr std::int64_t reach_ms = std::int64_t{1} << (level_bits * levels);

    // Slots are rings: nodes [0, anchors) are the slots' own, the timer of `id` is node anchors +
    // id.
    struct Node {
        std::uint32_t previous = 0;
        std::uint32_t next = 0;  // 0xffffffff: not set
        std::int64_t at_ms = 0;
    };
    struct Slot {
        std::uint32_t level = 0;
        std::uint32_t slot = 0;
        std::int64_t begins_ms = 0;
    };

    [[nodiscard]] std::uint32_t slot_for(std::int64_t at_ms) const;
    [[nodiscard]] std::optional<Slot> first_slot() const;
    void link(std::uint32_t node, std::uint32_t slot);
    void unlink(std::uint32_t node);
    void empty_slot(std::uint32_t slot, std::vector<Id>& fired);

    std::int64_t now_ms_ = 0;
    std::size_t count_ = 0;
    std::array<std::uint64_t, levels> occupied_{};  // a bit a slot
    std::vector<Node> nodes_;
};

}  // namespace mta
