#pragma once
#include <optional>
#include <string_view>

#include "mta/base/time.h"

namespace mta::diagnosis {

// The wait that a greylisting or rate-limiting server asks for ("try again in 300 seconds", "retry
// in 5 minutes", "come back in 00:04:57"), from one second to one day; nothing if the text names
// none. A hint for the schedule, for 4xx replies only.
[[nodiscard]] std::optional<Millis> parse_retry_hint(std::string_view text);

}  // namespace mta::diagnosis
