#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mta/base/time.h"

namespace mta {

// A part of each day by the clock on the wall: [begin, end) in minutes since midnight. An end that
// is not later than the begin is one of the next day ("22:00-06:00").
struct DailyWindow {
    std::uint16_t begin_min = 0;  // 0 to 1439
    std::uint16_t end_min = 0;    // 1 to 1440
    bool operator==(const DailyWindow&) const = default;
};

// "22:00-06:00", "00:00-24:00": two digits each. Nothing else is a window, nor is one that ends
// where it begins.
[[nodiscard]] std::optional<DailyWindow> parse_daily_window(std::string_view text);
[[nodiscard]] std::string to_string(const DailyWindow& window);

// How far the clock on the wall is ahead of UTC at an instant (mta/io/local_time.h has this
// machine's). Null: not at all.
using UtcOffsetAt = std::function<Millis(Instant)>;

// When that clock shows a time of a day; `local_ms` are milliseconds since 1970-01-01 on it. A time
// that comes twice (the hour that is put back) counts the first time; one that does not come (the
// hour that is skipped) is as much later as is skipped.
[[nodiscard]] Instant from_local(std::int64_t local_ms, const UtcOffsetAt& utc_offset_at);

// What windows, of which there is at least one, mean at an instant. Those that touch or overlap are
// one.
struct WindowState {
    bool is_open = false;
    // When it has been like this since, and when that changes. Nothing: always, never.
    std::optional<Instant> since;
    std::optional<Instant> until;
    // When they were last closed before `since`, or if it is not open `since` itself.
    std::optional<Instant> last_end;
};
[[nodiscard]] WindowState look_at(std::span<const DailyWindow> windows, Instant now,
                                  const UtcOffsetAt& utc_offset_at);

}  // namespace mta
