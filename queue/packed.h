#pragma once
#include <algorithm>
#include <compare>
#include <cstdint>

#include "mta/base/assert.h"
#include "mta/base/time.h"

namespace queue {

// Numbers below 2^48 in six bytes, aligned to two, for what is kept millions of times. Both types
// convert implicitly to and from what they stand for, so that the code that reads or writes an
// entry need not know. NOLINTBEGIN(google-explicit-constructor)

class Uint48 {
public:
    static constexpr std::uint64_t max = (std::uint64_t{1} << 48) - 1;

    constexpr Uint48() = default;
    // At most `max`.
    constexpr Uint48(std::uint64_t value)
        : low_(static_cast<std::uint16_t>(value)),
          middle_(static_cast<std::uint16_t>(value >> 16)),
          high_(static_cast<std::uint16_t>(value >> 32)) {
        MTA_ASSERT(value <= max);
    }
    constexpr operator std::uint64_t() const {
        return low_ | std::uint64_t{middle_} << 16 | std::uint64_t{high_} << 32;
    }

private:
    std::uint16_t low_ = 0;
    std::uint16_t middle_ = 0;
    std::uint16_t high_ = 0;
};

// A time to the millisecond, from 1970 to the year 10889. Any other time becomes the nearest of
// these.
class PackedInstant {
public:
    constexpr PackedInstant() = default;
    constexpr PackedInstant(mta::Instant instant)
        : unix_ms_(static_cast<std::uint64_t>(std::clamp<std::int64_t>(
              mta::to_unix_ms(instant), 0, static_cast<std::int64_t>(Uint48::max)))) {}
    constexpr operator mta::Instant() const {
        return mta::from_unix_ms(static_cast<std::int64_t>(std::uint64_t{unix_ms_}));
    }
    [[nodiscard]] constexpr mta::Instant get() const { return *this; }

    // The operators of <chrono> are templates and would not see through the conversion.
    friend constexpr bool operator==(PackedInstant a, PackedInstant b) {
        return a.get() == b.get();
    }
    friend constexpr bool operator==(PackedInstant a, mta::Instant b) { return a.get() == b; }
    friend constexpr auto operator<=>(PackedInstant a, PackedInstant b) {
        return a.get() <=> b.get();
    }
    friend constexpr auto operator<=>(PackedInstant a, mta::Instant b) { return a.get() <=> b; }
    friend constexpr mta::Instant operator+(PackedInstant a, mta::Millis b) { return a.get() + b; }
    friend constexpr mta::Instant operator-(PackedInstant a, mta::Millis b) { return a.get() - b; }
    friend constexpr mta::Millis operator-(PackedInstant a, mta::Instant b) { return a.get() - b; }
    friend constexpr mta::Millis operator-(mta::Instant a, PackedInstant b) { return a - b.get(); }

private:
    Uint48 unix_ms_;
};
// NOLINTEND(google-explicit-constructor)

static_assert(sizeof(Uint48) == 6 && sizeof(PackedInstant) == 6);

}  // namespace queue
