#include "mta/daemon/spool_factory.h"

#include <utility>

#include "queue/segment_log/log_spool.h"

namespace mta::daemon {

queue::StoreResult<std::unique_ptr<queue::Spool>> open_spool(const conf::Spool& settings,
                                                             queue::SpoolEvents events) {
    queue::segment_log::LogOptions options;
    options.segment_bytes = settings.segment_bytes;
    options.free_percent_min = settings.free_percent_min;
    options.free_bytes_min = settings.free_bytes_min;
    return queue::segment_log::LogSpool::open(settings.path, options, std::move(events));
}

queue::SpoolLimits spool_limits(const conf::Spool& settings) {
    return {.free_percent_min = settings.free_percent_min,
            .free_bytes_min = settings.free_bytes_min};
}

}  // namespace mta::daemon
