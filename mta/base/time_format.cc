#include "mta/base/time_format.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace mta {
namespace {

struct Civil {
    std::chrono::year_month_day date{};
    std::chrono::hh_mm_ss<Millis> time;
    std::chrono::weekday weekday{};
};

Civil civil_of(Instant instant) {
    const std::chrono::sys_time<Millis> time{instant.time_since_epoch()};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    return {std::chrono::year_month_day{day}, std::chrono::hh_mm_ss<Millis>{time - day},
            std::chrono::weekday{day}};
}

constexpr std::array<std::string_view, 7> weekdays = {"Sun", "Mon", "Tue", "Wed",
                                                      "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// A whole number below 10^12 and the text behind it.
std::optional<std::pair<std::uint64_t, std::string_view>> split_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number >= 1'000'000'000'000) return std::nullopt;
    return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

}  // namespace

std::string format_rfc5322(Instant instant) {
    const auto civil = civil_of(instant);
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000",
                       weekdays.at(civil.weekday.c_encoding()), unsigned{civil.date.day()},
                       months.at(unsigned{civil.date.month()} - 1), int{civil.date.year()},
                       civil.time.hours().count(), civil.time.minutes().count(),
                       civil.time.seconds().count());
}

std::string format_rfc3339(Instant instant) {
    const auto civil = civil_of(instant);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int{civil.date.year()},
                       unsigned{civil.date.month()}, unsigned{civil.date.day()},
                       civil.time.hours().count(), civil.time.minutes().count(),
                       civil.time.seconds().count(), civil.time.subseconds().count());
}

std::string format_duration(Millis duration) {
    const auto total = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
    if (total <= 0) return "0s";
    const std::array<std::pair<std::int64_t, char>, 4> parts = {{{total / 86400, 'd'},
                                                                 {total / 3600 % 24, 'h'},
                                                                 {total / 60 % 60, 'm'},
                                                                 {total % 60, 's'}}};
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].first == 0) continue;
        text = std::to_string(parts[i].first) + parts[i].second;
        if (i + 1 < parts.size() && parts[i + 1].first != 0) {
            text += ' ' + std::to_string(parts[i + 1].first) + parts[i + 1].second;
        }
        break;
    }
    return text;
}

std::optional<Millis> parse_duration(std::string_view text) {
    const auto split = split_number(text);
    if (!split) return std::nullopt;
    const auto [number, unit] = *split;
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> units = {
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
    for (const auto& [name, factor] : units) {
        if (unit != name) continue;
        const auto value = static_cast<std::int64_t>(number);
        if (value > INT64_MAX / factor / 1000) return std::nullopt;
        return Millis{value * factor};
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto split = split_number(text);
    if (!split) return std::nullopt;
    const auto [number, unit] = *split;
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 7> units = {
        {{"B", 1},
         {"kB", 1000},
         {"MB", 1'000'000},
         {"GB", 1'000'000'000},
         {"KiB", 1u << 10},
         {"MiB", 1u << 20},
         {"GiB", 1u << 30}}};
    for (const auto& [name, factor] : units) {
        if (unit != name) continue;
        if (number > INT64_MAX / factor) return std::nullopt;
        return number * factor;
    }
    return std::nullopt;
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 5> units = {"B", "kB", "MB", "GB", "TB"};
    if (bytes < 1000) return fmt::format("{} B", bytes);
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < units.size()) {
        value /= 1000;
        ++unit;
    }
    return value < 9.95 ? fmt::format("{:.1f} {}", value, units.at(unit))
                        : fmt::format("{:.0f} {}", value, units.at(unit));
}

}  // namespace mta
