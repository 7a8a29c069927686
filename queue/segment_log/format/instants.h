#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include "mta/base/time.h"
#include "queue/bytes.h"

namespace queue::segment_log {

// Points in time are milliseconds since 1970, in 64 bits.

// From 1970 to 10889: a lifetime can be added to any of them.
inline constexpr mta::Instant sane_min{};
inline constexpr mta::Instant sane_max{mta::Millis{(std::int64_t{1} << 48) - 1}};
[[nodiscard]] inline bool is_sane(mta::Instant instant) {
    return instant >= sane_min && instant <= sane_max;
}

inline void put_instant(std::string& out, mta::Instant instant) {
    put(out, static_cast<std::uint64_t>(mta::to_unix_ms(instant)));
}
[[nodiscard]] inline mta::Instant take_any_instant(ByteReader& in) {
    return mta::from_unix_ms(static_cast<std::int64_t>(in.take<std::uint64_t>()));
}
// One that is not sane becomes the nearest that is.
[[nodiscard]] inline mta::Instant take_instant(ByteReader& in) {
    return std::clamp(take_any_instant(in), sane_min, sane_max);
}

}  // namespace queue::segment_log
