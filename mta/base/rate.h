#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/time.h"

namespace mta {

// A number of events in a time.
struct Rate {
    std::uint32_t count = 0;
    Millis period{};
    bool operator==(const Rate&) const = default;
};

inline constexpr std::uint32_t rate_count_max = 1'000'000;

// "100/min": a whole number from 1 to rate_count_max, a slash, and s, min (or m) or h.
[[nodiscard]] std::optional<Rate> parse_rate(std::string_view text);
// The form that parse_rate() reads.
[[nodiscard]] std::string to_string(const Rate& rate);

}  // namespace mta
