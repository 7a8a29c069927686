#include "mta/base/rate.h"

#include <array>
#include <charconv>
#include <utility>

namespace mta {

std::optional<Rate> parse_rate(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, Millis>, 4> units = {
        {{"s", Millis{1000}},
         {"min", Millis{60'000}},
         {"m", Millis{60'000}},
         {"h", Millis{3'600'000}}}};
    const auto slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    Rate rate;
    const auto* const end = text.data() + slash;
    const auto [rest, error] = std::from_chars(text.data(), end, rate.count);
    const bool is_number = error == std::errc{} && rest == end;
    if (!is_number || rate.count == 0 || rate.count > rate_count_max) return std::nullopt;
    for (const auto& [unit, period] : units) {
        if (text.substr(slash + 1) != unit) continue;
        rate.period = period;
        return rate;
    }
    return std::nullopt;
}

std::string to_string(const Rate& rate) {
    const auto* const unit = rate.period == Millis{1000}     ? "/s"
                             : rate.period == Millis{60'000} ? "/min"
                                                             : "/h";
    return std::to_string(rate.count) + unit;
}

}  // namespace mta
