#pragma once
#include "mta/base/log.h"
#include "mta/base/time.h"
#include "mta/events/event.h"

namespace mta::events {

// The sink that writes the log. A line that the log does not show is not made.
class LogSink {
public:
    explicit LogSink(Log& log) : log_(log) {}  // `log` outlives it

    void write(Instant at, const Event& event);

private:
    Log& log_;
};

}  // namespace mta::events
