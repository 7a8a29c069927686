#pragma once
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/message_filter.h"
#include "mta/outbound/desk/queue_sweep.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/desk/tracing.h"
#include "queue/message.h"
#include "queue/store.h"

namespace mta::outbound {

// What operators can ask the queue manager and order from it: the port between mta/api and
// mta/outbound. All functions are for the shard's thread and return at once. A callback comes after
// the call has returned, and not at all if the queue manager ends first.
class OperatorDesk {
public:
    OperatorDesk() = default;
    OperatorDesk(const OperatorDesk&) = delete;
    OperatorDesk& operator=(const OperatorDesk&) = delete;
    virtual ~OperatorDesk() = default;

    // ---- Figures ----

    [[nodiscard]] virtual Counters counters() const = 0;
    [[nodiscard]] virtual Latencies latencies() const = 0;
    // One step of a walk over the queue, of at most `messages_max` messages. To be repeated until
    // the sweep is_done.
    virtual void sweep(QueueSweep& sweep, std::size_t messages_max) const = 0;
    // The `count` destinations with the most mail, and `count` others with the oldest mail.
    [[nodiscard]] virtual DepthSummary summarize(const QueueSweep& sweep,
                                                 std::size_t count) const = 0;

    // ---- Messages ----

    // Looks at some messages and hands over those that match, as far as that is known without the
    // disk (MessageFilter::is_by_hash()). Returns where to go on in another turn of the loop; empty
    // if that was all. Costs some 10 ms for a million messages.
    [[nodiscard]] virtual std::optional<ScanCursor> scan(const MessageFilter& filter,
                                                         const ScanRange& range,
                                                         const OnHit& on_hit) const = 0;
    // A message without what is on disk. Empty if it is not in the queue, or no longer.
    [[nodiscard]] virtual std::optional<MessageView> find(queue::MessageId id) const = 0;
    // The message with its sender and addresses, which are read from the store, with what blocks
    // each recipient and with what was tried.
    virtual void describe(queue::MessageId id, OnDescribed on_described) = 0;
    // Recipients that were given up not long ago, the oldest first; at most the newest `limit`.
    [[nodiscard]] virtual std::vector<EndingView> endings(const Endings::Query& query,
                                                          std::size_t limit) const = 0;

    // ---- Destinations ----

    // The first `limit` by name of those that have mail, connections or trouble.
    [[nodiscard]] virtual DestinationList busy_destinations(std::size_t limit) const = 0;
    // Of those that are down, the `limit` with the most mail in line; of destinations with the same
    // amount, the ones that have been down longest come first.
    [[nodiscard]] virtual DestinationList destinations_in_trouble(std::size_t limit) const = 0;
    // `domain` is in the form of mta::to_a_labels(). Empty if there is no mail for it.
    [[nodiscard]] virtual std::optional<DomainView> domain(const std::string& domain) const = 0;

    // ---- The dialogue of coming attempts ----

    // As Tracing::fetch() and Tracing::end().
    [[nodiscard]] virtual std::expected<Tracing::Fetched, std::string> trace(
        const std::string& watcher, const std::string& what) = 0;
    virtual void end_trace(const std::string& watcher) = 0;

    // ---- Orders ----

    // Each order changes those recipients of a message that are open and not being delivered; of
    // these only the ones that `only` names, if it is given. It returns their number.

    // Stops delivery until a release.
    virtual std::size_t hold(queue::MessageId id, const RecipientNumbers& only) = 0;
    // Ends a hold or, for recipients that are not held, the wait for the time of release that the
    // sender asked for.
    virtual std::size_t release(queue::MessageId id, const RecipientNumbers& only) = 0;
    // Makes the next attempt due now and probes what is down, outside of the route's hours too,
    // once (DeliveryHours). Held recipients and those that wait for their release stay as they are.
    virtual std::size_t flush(queue::MessageId id, const RecipientNumbers& only) = 0;
    // Removes recipients without a report.
    virtual std::size_t cancel(queue::MessageId id, const RecipientNumbers& only) = 0;
    // Gives recipients up, with a report to the sender that has the reason.
    virtual std::size_t bounce(queue::MessageId id, const std::string& reason,
                               const RecipientNumbers& only) = 0;

    // Calls back when all orders so far are on disk and synced.
    virtual void when_durable(queue::Store::OnDone on_durable) = 0;
};

}  // namespace mta::outbound
