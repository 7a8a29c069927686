#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace mta::api {

// Lines for people, in order. Lines that begin with two blanks belong to the one before; they are
// not wrapped here.
using Lines = std::vector<std::string>;

// "1 message", "2 messages".
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view noun);

// Who said what: `mx1 [192.0.2.1]:25 said "450 4.7.1 greylisted"`, or our own words about it.
[[nodiscard]] std::string words_of(const DeliveryError& error, const std::string& destination);

// "04:05:06", "2026-11-22 02:00:01": without the date if it is within a day.
[[nodiscard]] std::string stamp_of(Instant time, Instant now);

// "in 4m (04:05:06 UTC)", "2h 5m ago (2026-11-22 02:00:01 UTC)".
[[nodiscard]] std::string when(Instant time, Instant now);
[[nodiscard]] std::string at_or_soon(const std::optional<Instant>& time, Instant now);

// The command that finds it in the log, ready for a shell: the journal takes a regular expression.
[[nodiscard]] std::string log_search(std::string_view text);

}  // namespace mta::api
