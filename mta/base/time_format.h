#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/time.h"

namespace mta {

// "Sun, 22 Nov 2026 04:05:06 +0000" (RFC 5322 section 3.3), always in UTC.
[[nodiscard]] std::string format_rfc5322(Instant instant);

// "2026-11-22T04:05:06.789Z" (RFC 3339).
[[nodiscard]] std::string format_rfc3339(Instant instant);

// Seconds with a fraction or without, in UTC or with an offset ("2026-11-22T04:05:06+01:00"). What
// is finer than a millisecond is cut off; a leap second counts as the one before.
[[nodiscard]] std::optional<Instant> parse_rfc3339(std::string_view text);

// "2h 5m", "40s", "3d 4h": the two largest units, for people. Less than a second is "0s".
[[nodiscard]] std::string format_duration(Millis duration);

// "90s", "5m", "4h", "5d", "250ms": a whole number and one unit.
[[nodiscard]] std::optional<Millis> parse_duration(std::string_view text);

// "10kB", "50MB", "1GB", "512B" (powers of 1000) or KiB, MiB, GiB (powers of 1024), in bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

// "4.1 kB", "50 MB": for people.
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace mta
