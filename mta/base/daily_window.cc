#include "mta/base/daily_window.h"

#include <algorithm>
#include <vector>

#include "mta/base/assert.h"

namespace mta {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 1440 * minute_ms;
constexpr std::uint16_t day_min = 1440;

// "06:00"; "24:00" is the end of the day.
std::optional<std::uint16_t> parse_time_of_day(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') return std::nullopt;
    for (const auto place : {0u, 1u, 3u, 4u})
        if (text[place] < '0' || text[place] > '9') return std::nullopt;
    const auto hours = (text[0] - '0') * 10 + (text[1] - '0');
    const auto minutes = (text[3] - '0') * 10 + (text[4] - '0');
    const auto all = hours * 60 + minutes;
    if (minutes > 59 || all > day_min) return std::nullopt;
    return static_cast<std::uint16_t>(all);
}

std::string two_digits(int number) {
    return {static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
}

std::string time_of_day(std::uint16_t minutes) {
    return two_digits(minutes / 60) + ':' + two_digits(minutes % 60);
}

Millis offset_of(const UtcOffsetAt& utc_offset_at, Instant instant) {
    return utc_offset_at ? utc_offset_at(instant) : Millis{0};
}

struct Interval {
    Instant begin;
    Instant end;
};

// Around `now`, two days either way, in their order and without overlap. An hour that is skipped
// can leave nothing of a window.
std::vector<Interval> intervals_around(std::span<const DailyWindow> windows, Instant now,
                                       const UtcOffsetAt& utc_offset_at) {
    constexpr std::int64_t days_around = 2;
    const auto local = to_unix_ms(now + offset_of(utc_offset_at, now));
    const auto today = (local - (local % day_ms + day_ms) % day_ms);
    std::vector<Interval> all;
    for (auto day = today - days_around * day_ms; day <= today + days_around * day_ms;
         day += day_ms) {
        for (const auto& window : windows) {
            const auto end_day = window.end_min > window.begin_min ? day : day + day_ms;
            const Interval interval{
                from_local(day + window.begin_min * minute_ms, utc_offset_at),
                from_local(end_day + window.end_min * minute_ms, utc_offset_at)};
            if (interval.begin < interval.end) all.push_back(interval);
        }
    }
    std::ranges::sort(all, {}, &Interval::begin);
    std::vector<Interval> merged;
    for (const auto& interval : all) {
        if (merged.empty() || merged.back().end < interval.begin) {
            merged.push_back(interval);
        } else {
            merged.back().end = std::max(merged.back().end, interval.end);
        }
    }
    return merged;
}

}  // namespace

std::optional<DailyWindow> parse_daily_window(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == text.npos) return std::nullopt;
    const auto begin = parse_time_of_day(text.substr(0, dash));
    const auto end = parse_time_of_day(text.substr(dash + 1));
    if (!begin || !end || *begin == *end || *begin == day_min || *end == 0) return std::nullopt;
    return DailyWindow{*begin, *end};
}

std::string to_string(const DailyWindow& window) {
    return time_of_day(window.begin_min) + '-' + time_of_day(window.end_min);
}

Instant from_local(std::int64_t local_ms, const UtcOffsetAt& utc_offset_at) {
    const auto as_utc = from_unix_ms(local_ms);
    // No zone changes its clocks twice within two days.
    const auto before = offset_of(utc_offset_at, as_utc - 24h);
    const auto after = offset_of(utc_offset_at, as_utc + 24h);
    const auto first = as_utc - before;
    if (before == after || offset_of(utc_offset_at, first) == before) return first;
    const auto second = as_utc - after;
    return offset_of(utc_offset_at, second) == after ? second : first;
}

WindowState look_at(std::span<const DailyWindow> windows, Instant now,
                    const UtcOffsetAt& utc_offset_at) {
    MTA_ASSERT(!windows.empty());
    const auto all = intervals_around(windows, now, utc_offset_at);
    WindowState state;
    for (const auto& interval : all) {
        if (interval.end <= now) {
            state.since = state.last_end = interval.end;
        } else if (interval.begin > now) {
            state.until = interval.begin;
            break;
        } else {
            state.is_open = true;
            state.since = interval.begin;
            state.until = interval.end;
            break;
        }
    }
    // What touches the edges of what was looked at has none.
    constexpr auto sure = 36h;
    if (state.is_open && state.since && now - *state.since > sure) state.since.reset();
    if (state.is_open && state.until && *state.until - now > sure) state.until.reset();
    return state;
}

}  // namespace mta
