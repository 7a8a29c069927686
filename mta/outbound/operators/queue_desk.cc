#include "mta/outbound/operators/queue_desk.h"

#include <utility>

namespace mta::outbound {

QueueDesk::QueueDesk(const Parts& parts, Instant started)
    : parts_(parts),
      messages_({.context = parts.context,
                 .store = parts.store,
                 .scheduler = parts.scheduler,
                 .bundles = parts.bundles,
                 .sites = parts.sites,
                 .router = parts.router,
                 .attempts = parts.attempts,
                 .history = parts.history,
                 .whereabouts = parts.whereabouts},
                started),
      destinations_(
          {parts.context, parts.scheduler.table(), parts.sites, parts.addresses, parts.router}),
      scan_(parts.scheduler, parts.whereabouts),
      orders_({.context = parts.context,
               .scheduler = parts.scheduler,
               .sites = parts.sites,
               .addresses = parts.addresses,
               .copies = parts.copies,
               .lines = parts.lines,
               .router = parts.router,
               .ledger = parts.ledger,
               .attempts = parts.attempts}),
      sweeper_({.table = parts.scheduler.table(),
                .sites = parts.sites,
                .router = parts.router,
                .attempts = parts.attempts,
                .destinations = destinations_}) {}

Counters QueueDesk::counters() const {
    const auto& table = std::as_const(parts_.scheduler).table();
    auto counters = parts_.totals;
    counters.messages = table.message_count();
    counters.recipients = table.open_count();
    counters.held = table.held_count();
    counters.delivering = parts_.attempts.count();
    counters.connections = parts_.attempts.pool().total();
    counters.body_bytes_in_memory = parts_.copies.bytes();
    counters.destinations_down = destinations_.down_count();
    return counters;
}

std::vector<EndingView> QueueDesk::endings(const Endings::Query& query, std::size_t limit) const {
    auto found = parts_.ended.find(query, limit);
    for (auto& ending : found) {
        ending.is_report_queued =
            ending.report != 0 && parts_.scheduler.table().find(ending.report);
    }
    return found;
}

}  // namespace mta::outbound
