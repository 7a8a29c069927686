#include "mta/base/time_format.h"

#include <fmt/format.h>

#include <algorithm>
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

// Takes fixed-size pieces off the front; a piece that is not there makes it fail for good.
class PieceReader {
public:
    explicit PieceReader(std::string_view text) : rest_(text) {}

    int number(std::size_t digits) {
        int value = 0;
        if (rest_.size() < digits) fail();
        for (const char c : rest_.substr(0, digits)) {
            if (c < '0' || c > '9') fail();
            value = value * 10 + (c - '0');
        }
        rest_.remove_prefix(std::min(digits, rest_.size()));
        return value;
    }
    // One of `wanted`, in either case.
    char letter(std::string_view wanted) {
        const char c = rest_.empty() ? '\0' : rest_.front();
        const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        if (c == '\0' || !wanted.contains(upper)) fail();
        rest_.remove_prefix(std::min<std::size_t>(1, rest_.size()));
        return upper;
    }
    [[nodiscard]] std::string_view rest() const { return rest_; }
    [[nodiscard]] bool ok() const { return ok_; }
    void fail() { ok_ = false; }

private:
    std::string_view rest_;
    bool ok_ = true;
};

// ".25": at least one digit.
Millis take_fraction(PieceReader& in) {
    if (!in.rest().starts_with('.')) return Millis{0};
    in.letter(".");
    int milliseconds = 0;
    std::size_t digits = 0;
    for (; !in.rest().empty() && in.rest().front() >= '0' && in.rest().front() <= '9'; ++digits) {
        const int digit = in.number(1);
        constexpr std::array<int, 3> worth = {100, 10, 1};
        if (digits < worth.size()) milliseconds += digit * worth.at(digits);
    }
    if (digits == 0) in.fail();
    return Millis{milliseconds};
}

// "Z", or how much later the clocks are there: "+01:00".
std::chrono::minutes take_offset(PieceReader& in) {
    const char sign = in.letter("Z+-");
    if (sign == 'Z' || !in.ok()) return {};
    const auto hours = in.number(2);
    in.letter(":");
    const auto minutes = in.number(2);
    if (hours > 23 || minutes > 59) in.fail();
    const std::chrono::minutes offset{hours * 60 + minutes};
    return sign == '+' ? offset : -offset;
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

std::optional<Instant> parse_rfc3339(std::string_view text) {
    PieceReader in(text);
    const auto year = in.number(4);
    in.letter("-");
    const auto month = in.number(2);
    in.letter("-");
    const auto day = in.number(2);
    in.letter("T");
    const auto hours = in.number(2);
    in.letter(":");
    const auto minutes = in.number(2);
    in.letter(":");
    const auto seconds = in.number(2);
    const auto fraction = take_fraction(in);
    const auto offset = take_offset(in);
    if (!in.ok() || !in.rest().empty()) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{year},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok() || hours > 23 || minutes > 59 || seconds > 60) return std::nullopt;
    const auto time = std::chrono::hours{hours} + std::chrono::minutes{minutes} +
                      std::chrono::seconds{std::min(seconds, 59)} + fraction;
    const auto instant = std::chrono::sys_time<Millis>{std::chrono::sys_days{date}} + time - offset;
    constexpr std::chrono::sys_days begin{std::chrono::year{0} / 1 / 1};
    constexpr std::chrono::sys_days end{std::chrono::year{10'000} / 1 / 1};
    if (instant < begin || instant >= end) return std::nullopt;  // cannot be written again
    return Instant{instant.time_since_epoch()};
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
