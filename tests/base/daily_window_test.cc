#include "mta/base/daily_window.h"

#include <vector>

#include <gtest/gtest.h>

#include "mta/base/time_format.h"

namespace mta {
namespace {

using namespace std::chrono_literals;

// A date and time of the proleptic Gregorian calendar, in UTC.
Instant utc(int year, unsigned month, unsigned day, int hour, int minute = 0) {
    const std::chrono::sys_days date{std::chrono::year{year} / std::chrono::month{month} /
                                     std::chrono::day{day}};
    return Instant{std::chrono::duration_cast<Millis>(date.time_since_epoch()) + hour * 60min +
                   minute * 1min};
}

// As in Berlin in 2026: forward on March 29 and back on October 25, each at 01:00 UTC.
Millis berlin(Instant at) {
    const bool is_summer = at >= utc(2026, 3, 29, 1) && at < utc(2026, 10, 25, 1);
    return is_summer ? 2h : 1h;
}

std::int64_t local_ms(Instant as_if_utc) { return to_unix_ms(as_if_utc); }

TEST(DailyWindow, two_times_of_a_day_and_nothing_else) {
    struct Row {
        const char* text;
        std::optional<DailyWindow> window;
    };
    for (const auto& [text, window] : std::vector<Row>{{"22:00-06:00", DailyWindow{1320, 360}},
                                                       {"00:00-24:00", DailyWindow{0, 1440}},
                                                       {"08:30-08:31", DailyWindow{510, 511}},
                                                       {"23:59-24:00", DailyWindow{1439, 1440}},
                                                       {"22:00-00:01", DailyWindow{1320, 1}},
                                                       {"22:00-00:00", {}},
                                                       {"24:00-06:00", {}},
                                                       {"06:00-06:00", {}},
                                                       {"6:00-07:00", {}},
                                                       {"06:00-7:00", {}},
                                                       {"06:60-07:00", {}},
                                                       {"06:00-24:01", {}},
                                                       {"25:00-26:00", {}},
                                                       {"06:00", {}},
                                                       {"06:00-", {}},
                                                       {"-06:00", {}},
                                                       {"", {}},
                                                       {"06:00 - 07:00", {}},
                                                       {"06.00-07.00", {}},
                                                       {"06:00-07:00-08:00", {}},
                                                       {"-1:00-02:00", {}}}) {
        EXPECT_EQ(parse_daily_window(text), window) << text;
        if (window) {
            EXPECT_EQ(to_string(*window), text);
        }
    }
}

TEST(DailyWindow, an_hour_that_comes_twice_counts_once_and_one_that_is_skipped_comes_later) {
    struct Row {
        Instant on_the_wall;  // read as if it were UTC
        Instant instant;
    };
    for (const auto& [wall, instant] : std::vector<Row>{
             {utc(2026, 1, 10, 12), utc(2026, 1, 10, 11)},
             {utc(2026, 7, 10, 12), utc(2026, 7, 10, 10)},
             {utc(2026, 3, 29, 1, 59), utc(2026, 3, 29, 0, 59)},
             {utc(2026, 3, 29, 2, 30), utc(2026, 3, 29, 1, 30)},  // skipped: is shown as 03:30
             {utc(2026, 3, 29, 3, 0), utc(2026, 3, 29, 1, 0)},
             {utc(2026, 3, 29, 12), utc(2026, 3, 29, 10)},
             {utc(2026, 3, 28, 12), utc(2026, 3, 28, 11)},
             {utc(2026, 10, 25, 1, 59), utc(2026, 10, 24, 23, 59)},
             {utc(2026, 10, 25, 2, 30), utc(2026, 10, 25, 0, 30)},  // twice: the first time
             {utc(2026, 10, 25, 3, 0), utc(2026, 10, 25, 2, 0)},
             {utc(2026, 10, 25, 12), utc(2026, 10, 25, 11)}}) {
        EXPECT_EQ(from_local(local_ms(wall), berlin), instant) << format_rfc3339(wall);
    }
    EXPECT_EQ(from_local(local_ms(utc(2026, 3, 29, 2, 30)), nullptr), utc(2026, 3, 29, 2, 30));
}

TEST(DailyWindow, is_open_in_its_hours_over_midnight_too) {
    const std::vector<DailyWindow> night = {{1320, 360}};
    struct Row {
        Instant now;
        bool is_open;
        Instant since;
        Instant until;
    };
    for (const auto& row : std::vector<Row>{
             {utc(2026, 6, 10, 12), false, utc(2026, 6, 10, 6), utc(2026, 6, 10, 22)},
             {utc(2026, 6, 10, 22), true, utc(2026, 6, 10, 22), utc(2026, 6, 11, 6)},
             {utc(2026, 6, 10, 23, 59), true, utc(2026, 6, 10, 22), utc(2026, 6, 11, 6)},
             {utc(2026, 6, 11, 0), true, utc(2026, 6, 10, 22), utc(2026, 6, 11, 6)},
             {utc(2026, 6, 11, 5, 59), true, utc(2026, 6, 10, 22), utc(2026, 6, 11, 6)},
             {utc(2026, 6, 11, 6), false, utc(2026, 6, 11, 6), utc(2026, 6, 11, 22)}}) {
        const auto state = look_at(night, row.now, nullptr);
        EXPECT_EQ(state.is_open, row.is_open) << format_rfc3339(row.now);
        EXPECT_EQ(state.since, row.since) << format_rfc3339(row.now);
        EXPECT_EQ(state.until, row.until) << format_rfc3339(row.now);
        const auto last_end = row.is_open ? utc(2026, 6, 10, 6) : row.since;
        EXPECT_EQ(state.last_end, last_end) << format_rfc3339(row.now);
    }
}

TEST(DailyWindow, the_night_of_a_clock_change_is_an_hour_longer_or_shorter) {
    const std::vector<DailyWindow> night = {{1320, 360}};
    const auto spring = look_at(night, utc(2026, 3, 28, 23), berlin);
    ASSERT_TRUE(spring.is_open && spring.since && spring.until);
    EXPECT_EQ(*spring.until - *spring.since, 7h);
    EXPECT_EQ(*spring.until, utc(2026, 3, 29, 4)) << "six in the morning on the wall";
    const auto autumn = look_at(night, utc(2026, 10, 24, 23), berlin);
    ASSERT_TRUE(autumn.is_open && autumn.since && autumn.until);
    EXPECT_EQ(*autumn.until - *autumn.since, 9h);
    EXPECT_EQ(*autumn.until, utc(2026, 10, 25, 5));
}

TEST(DailyWindow, one_inside_the_changed_hour_opens_once_each_night) {
    const std::vector<DailyWindow> quarter = {{150, 165}};  // 02:30-02:45
    for (const auto& [from, to] : {std::pair{utc(2026, 3, 28, 12), utc(2026, 3, 29, 12)},
                                   std::pair{utc(2026, 10, 24, 12), utc(2026, 10, 25, 12)}}) {
        int minutes_open = 0;
        int openings = 0;
        bool was_open = false;
        for (auto now = from; now < to; now += 1min) {
            const auto state = look_at(quarter, now, berlin);
            minutes_open += state.is_open ? 1 : 0;
            openings += state.is_open && !was_open ? 1 : 0;
            was_open = state.is_open;
        }
        EXPECT_EQ(openings, 1) << format_rfc3339(from);
        EXPECT_EQ(minutes_open, 15) << format_rfc3339(from);
    }
}

// What it says about the next change comes true, minute by minute, over a year with both changes.
TEST(DailyWindow, the_promised_change_comes_when_it_was_promised) {
    for (const auto& windows : {std::vector<DailyWindow>{{1320, 360}},
                                {{150, 165}},
                                {{0, 60}, {120, 180}, {1380, 1440}},
                                {{480, 720}, {700, 1080}},
                                {{130, 140}, {160, 200}}}) {
        std::optional<WindowState> last;
        for (auto now = utc(2026, 3, 27, 0); now < utc(2026, 4, 1, 0); now += 5min) {
            const auto state = look_at(windows, now, berlin);
            ASSERT_TRUE(state.until && state.since) << format_rfc3339(now);
            ASSERT_GT(*state.until, now);
            ASSERT_LE(*state.since, now);
            if (last && now < *last->until) {
                ASSERT_EQ(state.is_open, last->is_open) << format_rfc3339(now);
                ASSERT_EQ(state.until, last->until) << format_rfc3339(now);
            }
            if (last && now == *last->until) {
                ASSERT_NE(state.is_open, last->is_open) << format_rfc3339(now);
            }
            last = state;
        }
    }
}

TEST(DailyWindow, windows_that_touch_are_one_and_a_whole_day_never_ends) {
    const std::vector<DailyWindow> touching = {{1320, 1440}, {0, 360}};
    const auto state = look_at(touching, utc(2026, 6, 10, 23), nullptr);
    EXPECT_EQ(state.until, utc(2026, 6, 11, 6));
    for (const auto& windows : {std::vector<DailyWindow>{{0, 1440}},
                                {{360, 1080}, {1080, 360}},
                                {{600, 599}, {590, 610}}}) {
        const auto always = look_at(windows, utc(2026, 6, 10, 23), berlin);
        EXPECT_TRUE(always.is_open);
        EXPECT_FALSE(always.since);
        EXPECT_FALSE(always.until);
    }
}

}  // namespace
}  // namespace mta
