#pragma once
#include "mta/base/time.h"

namespace mta::io {

// How far local time (the machine's time zone: TZ in the environment, else /etc/localtime) is ahead
// of UTC at an instant.
[[nodiscard]] Millis utc_offset_at(Instant instant);

// Follows a change of the time zone since the process began. To be called when the configuration is
// reloaded.
void reread_time_zone();

}  // namespace mta::io
