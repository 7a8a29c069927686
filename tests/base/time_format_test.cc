#include "mta/base/time_format.h"

#include <gtest/gtest.h>

namespace mta {
namespace {
using namespace std::chrono_literals;

struct DateCase {
    std::int64_t unix_ms;
    const char* rfc5322;
    const char* rfc3339;
};

const DateCase date_cases[] = {
    {0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"},
    {999, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.999Z"},
    {1'795'320'306'789, "Sun, 22 Nov 2026 04:05:06 +0000", "2026-11-22T04:05:06.789Z"},
    {951'782'400'000, "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00.000Z"},
    {4'102'444'799'999, "Thu, 31 Dec 2099 23:59:59 +0000", "2099-12-31T23:59:59.999Z"},
    {-1, "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.999Z"},
};

TEST(Instant, is_written_for_mail_and_for_programs) {
    for (const auto& row : date_cases) {
        EXPECT_EQ(format_rfc5322(from_unix_ms(row.unix_ms)), row.rfc5322);
        EXPECT_EQ(format_rfc3339(from_unix_ms(row.unix_ms)), row.rfc3339);
        EXPECT_EQ(to_unix_ms(from_unix_ms(row.unix_ms)), row.unix_ms);
    }
}

TEST(Duration, is_written_with_its_two_largest_units) {
    const std::pair<Millis, const char*> cases[] = {{0ms, "0s"},
                                                    {999ms, "0s"},
                                                    {-5s, "0s"},
                                                    {1s, "1s"},
                                                    {59'999ms, "59s"},
                                                    {60s, "1m"},
                                                    {61s, "1m 1s"},
                                                    {2h + 5min, "2h 5m"},
                                                    {2h + 5s, "2h"},
                                                    {2h + 5min + 7s, "2h 5m"},
                                                    {24h, "1d"},
                                                    {76h, "3d 4h"},
                                                    {76h + 59min, "3d 4h"},
                                                    {72h + 5min, "3d"},
                                                    {24h * 1000, "1000d"}};
    for (const auto& [duration, want] : cases) EXPECT_EQ(format_duration(duration), want);
}

TEST(Duration, is_a_whole_number_and_one_unit) {
    const std::pair<std::string_view, std::optional<Millis>> cases[] = {
        {"250ms", 250ms},
        {"90s", 90s},
        {"5m", 5min},
        {"4h", 4h},
        {"5d", 120h},
        {"0s", 0s},
        {"007s", 7s},
        {"999999999999ms", 999'999'999'999ms},
        {"1000000000000ms", std::nullopt},
        {"999999999999d", std::nullopt},
        {"99999999999999999999s", std::nullopt},
        {"", std::nullopt},
        {"s", std::nullopt},
        {"5", std::nullopt},
        {"5 m", std::nullopt},
        {" 5m", std::nullopt},
        {"5m ", std::nullopt},
        {"-5m", std::nullopt},
        {"+5m", std::nullopt},
        {"5.5m", std::nullopt},
        {"1h30m", std::nullopt},
        {"5M", std::nullopt},
        {"5min", std::nullopt},
        {"5w", std::nullopt},
        {"0x5m", std::nullopt},
    };
    for (const auto& [text, want] : cases) EXPECT_EQ(parse_duration(text), want) << text;
}

TEST(Rfc3339, is_read_with_any_fraction_and_offset) {
    const auto then = from_unix_ms(1'795'320'306'000);
    const std::pair<std::string_view, std::optional<Instant>> cases[] = {
        {"2026-11-22T04:05:06Z", then},
        {"2026-11-22t04:05:06z", then},
        {"2026-11-22T04:05:06.000Z", then},
        {"2026-11-22T04:05:06.7Z", then + Millis{700}},
        {"2026-11-22T04:05:06.78Z", then + Millis{780}},
        {"2026-11-22T04:05:06.789Z", then + Millis{789}},
        {"2026-11-22T04:05:06.7899999999999Z", then + Millis{789}},
        {"2026-11-22T05:05:06+01:00", then},
        {"2026-11-21T22:35:06-05:30", then},
        {"2026-11-22T04:05:06+00:00", then},
        {"2016-12-31T23:59:60Z", from_unix_ms(1'483'228'799'000)},
        {"2028-02-29T00:00:00Z", from_unix_ms(1'835'395'200'000)},
        {"2026-02-29T00:00:00Z", std::nullopt},
        {"2026-13-01T00:00:00Z", std::nullopt},
        {"2026-00-01T00:00:00Z", std::nullopt},
        {"2026-11-22T24:00:00Z", std::nullopt},
        {"2026-11-22T04:60:00Z", std::nullopt},
        {"2026-11-22T04:05:61Z", std::nullopt},
        {"2026-11-22T04:05:06", std::nullopt},
        {"2026-11-22T04:05:06.Z", std::nullopt},
        {"2026-11-22T04:05Z", std::nullopt},
        {"2026-11-22 04:05:06Z", std::nullopt},
        {"2026-11-22T04:05:06+24:00", std::nullopt},
        {"2026-11-22T04:05:06+01:60", std::nullopt},
        {"2026-11-22T04:05:06+0100", std::nullopt},
        {"2026-11-22T04:05:06+01", std::nullopt},
        {"2026-11-22T04:05:06Z ", std::nullopt},
        {"2026-11-22T04:05:06ZZ", std::nullopt},
        {" 2026-11-22T04:05:06Z", std::nullopt},
        {"26-11-22T04:05:06Z", std::nullopt},
        {"0000-01-01T00:00:00+00:01", std::nullopt},
        {"9999-12-31T23:59:59-00:01", std::nullopt},
        {"2026-11-2xT04:05:06Z", std::nullopt},
        {"-026-11-22T04:05:06Z", std::nullopt},
        {"", std::nullopt},
    };
    for (const auto& [text, want] : cases) EXPECT_EQ(parse_rfc3339(text), want) << text;
    EXPECT_EQ(parse_rfc3339(format_rfc3339(then + Millis{7})), then + Millis{7});
}

TEST(Size, is_a_whole_number_and_one_unit) {
    const std::pair<std::string_view, std::optional<std::uint64_t>> cases[] = {
        {"512B", 512},
        {"0B", 0},
        {"10kB", 10'000},
        {"50MB", 50'000'000},
        {"2GB", 2'000'000'000},
        {"64KiB", 64u << 10},
        {"64MiB", 64u << 20},
        {"3GiB", std::uint64_t{3} << 30},
        {"999999999999B", 999'999'999'999},
        {"999999999999GB", std::nullopt},
        {"999999999999GiB", std::nullopt},
        {"", std::nullopt},
        {"50", std::nullopt},
        {"MB", std::nullopt},
        {"50mb", std::nullopt},
        {"50M", std::nullopt},
        {"50 MB", std::nullopt},
        {"-1B", std::nullopt},
        {"1.5GB", std::nullopt},
        {"50KB", std::nullopt},
        {"1TB", std::nullopt},
    };
    for (const auto& [text, want] : cases) EXPECT_EQ(parse_size(text), want) << text;
}

TEST(Size, is_written_for_people) {
    const std::pair<std::uint64_t, const char*> cases[] = {
        {0, "0 B"},
        {999, "999 B"},
        {1000, "1.0 kB"},
        {4100, "4.1 kB"},
        {9949, "9.9 kB"},
        {9999, "10 kB"},
        {12'345, "12 kB"},
        {999'499, "999 kB"},
        {999'500, "1.0 MB"},
        {50'000'000, "50 MB"},
        {1'000'000'000, "1.0 GB"},
        {2'500'000'000'000, "2.5 TB"},
        {5'000'000'000'000'000, "5000 TB"},
    };
    for (const auto& [bytes, want] : cases) EXPECT_EQ(format_size(bytes), want) << bytes;
}

}  // namespace
}  // namespace mta
