#include "mta/io/local_time.h"

#include <ctime>

namespace mta::io {

Millis utc_offset_at(Instant instant) {
    const auto seconds = static_cast<std::time_t>(
        std::chrono::floor<std::chrono::seconds>(instant.time_since_epoch()).count());
    std::tm local{};
    if (::localtime_r(&seconds, &local) == nullptr) return Millis{0};
    return std::chrono::seconds(local.tm_gmtoff);
}

void reread_time_zone() { ::tzset(); }

}  // namespace mta::io
