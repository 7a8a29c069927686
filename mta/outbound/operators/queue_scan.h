#pragma once
#include <optional>

#include "mta/outbound/desk/message_filter.h"
#include "mta/outbound/lifecycle/whereabouts.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// Questions about many messages: a walk over what is in memory.
class QueueScan {
public:
    // All outlive it.
    QueueScan(const queue::Scheduler& scheduler, const Whereabouts& whereabouts)
        : scheduler_(scheduler), whereabouts_(whereabouts) {}

    // As OperatorDesk::scan().
    [[nodiscard]] std::optional<ScanCursor> scan(const MessageFilter& filter,
                                                 const ScanRange& range, const OnHit& on_hit) const;

private:
    class Matcher;

    const queue::Scheduler& scheduler_;
    const Whereabouts& whereabouts_;
};

}  // namespace mta::outbound
