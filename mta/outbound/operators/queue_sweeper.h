#pragma once
#include <cstddef>

#include "mta/outbound/attempt/attempts.h"
#include "mta/outbound/desk/queue_sweep.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/operators/destination_queries.h"
#include "mta/outbound/routing/router.h"
#include "queue/message_table.h"

namespace mta::outbound {

// Walks over the whole queue for figures, in small steps.
class QueueSweeper {
public:
    struct Parts {
        const queue::MessageTable& table;
        const SiteTable& sites;
        const Router& router;
        const Attempts& attempts;
        const DestinationQueries& destinations;
    };
    // All outlive it.
    explicit QueueSweeper(const Parts& parts) : parts_(parts) {}

    // As OperatorDesk.
    void sweep(QueueSweep& sweep, std::size_t messages_max) const;
    [[nodiscard]] DepthSummary summarize(const QueueSweep& sweep, std::size_t count) const;

private:
    Parts parts_;
};

}  // namespace mta::outbound
