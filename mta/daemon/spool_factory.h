#pragma once
#include <memory>

#include "conf/settings.h"
#include "queue/spool.h"

namespace mta::daemon {

// Opens the spool that the settings name. The only place in the daemon that knows which kinds of
// spool there are.
[[nodiscard]] queue::StoreResult<std::unique_ptr<queue::Spool>> open_spool(
    const conf::Spool& settings, queue::SpoolEvents events);
[[nodiscard]] queue::SpoolLimits spool_limits(const conf::Spool& settings);

}  // namespace mta::daemon
