#include "mta/events/log_sink.h"

#include "mta/events/log_lines.h"

namespace mta::events {

void LogSink::write(Instant at, const Event& event) {
    const auto level = level_of(event);
    if (level && log_.shows(*level)) log_.write(at, *level, line_of(event));
}

}  // namespace mta::events
