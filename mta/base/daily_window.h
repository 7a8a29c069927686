#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mta/base/time.h"

namespace mta {

// A part of each day in local time: [begin, end) in minutes since midnight. An end that is not
// later than the begin is on the next day ("22:00-06:00").
struct DailyWindow {
    std::uint16_t begin_min = 0;  // 0 to 1439
    std::uint16_t end_min = 0;    // 1 to 1440
    bool operator==(const DailyWindow&) const = default;
};

// "22:00-06:00", "00:00-24:00": two digits each. A window that ends where it begins is refused.
[[nodiscard]] std::optional<DailyWindow> parse_daily_window(std::string_view text);
[[nodiscard]] std::string to_string(const DailyWindow& window);

// How far local time is ahead of UTC at an instant (mta/io/local_time.h has this machine's). If it
// is null, local time is UTC.
using UtcOffsetAt = std::function<Millis(Instant)>;

// The instant of a local time, which is given in milliseconds since 1970-01-01 local time. A time
// that comes twice (the clock is put back) is the first of the two; a time that does not come (the
// clock is put forward) is later by as much as is skipped.
[[nodiscard]] Instant from_local(std::int64_t local_ms, const UtcOffsetAt& utc_offset_at);

// What at least one window means at an instant. Windows that touch or overlap count as one.
struct WindowState {
    bool is_open = false;
    // Since when it has been so (empty: always), and when it changes (empty: never).
    std::optional<Instant> since;
    std::optional<Instant> until;
    // When they were last closed before `since`, or if it is not open `since` itself.
    std::optional<Instant> last_end;
};
[[nodiscard]] WindowState look_at(std::span<const DailyWindow> windows, Instant now,
                                  const UtcOffsetAt& utc_offset_at);

}  // namespace mta
