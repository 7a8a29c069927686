#pragma once
#include "mta/base/time.h"

namespace mta::io {

// How far this machine's clock on the wall (its time zone; TZ in the environment, else
// /etc/localtime) is ahead of UTC at an instant.
[[nodiscard]] Millis utc_offset_at(Instant instant);

// The zone may have changed since the process began: to be called when the configuration is read
// anew.
void reread_time_zone();

}  // namespace mta::io
