#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/time.h"

namespace mta {

// So many in such a time.
struct Rate {
    std::uint32_t count = 0;
    Millis period{};
    bool operator==(const Rate&) const = default;
};

inline constexpr std::uint32_t rate_count_max = 1'000'000;

// "100/min": a whole number from 1 to rate_count_max, a slash and s, min (or m) or h. Nothing else
// is a rate.
[[nodiscard]] std::optional<Rate> parse_rate(std::string_view text);
// As parse_rate() takes it.
[[nodiscard]] std::string to_string(const Rate& rate);

}  // namespace mta
