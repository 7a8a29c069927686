#pragma once
#include "mta/outbound/context.h"
#include "mta/outbound/desk/operator_desk.h"
#include "mta/outbound/operators/destination_queries.h"
#include "mta/outbound/operators/message_queries.h"
#include "mta/outbound/operators/queue_orders.h"
#include "mta/outbound/operators/queue_scan.h"
#include "mta/outbound/operators/queue_sweeper.h"

namespace mta::outbound {

// The operators' side of the queue manager: hands each question and order to the part that knows
// about it.
class QueueDesk final : public OperatorDesk {
public:
    struct Parts {
        Context& context;
        queue::Store& store;
        queue::Scheduler& scheduler;
        const queue::BundleSlab& bundles;
        SiteTable& sites;
        AddressHealth& addresses;
        MessageCopies& copies;
        Lines& lines;
        Router& router;
        Ledger& ledger;
        Attempts& attempts;
        const AttemptHistory& history;
        const Endings& ended;
        Tracing& tracing;
        const Counters& totals;  // only the *_total ones
        const Latencies& times;
        const Whereabouts& whereabouts;
    };
    // All outlive it. `started` is the start of the relay.
    QueueDesk(const Parts& parts, Instant started);

    [[nodiscard]] Counters counters() const override;
    [[nodiscard]] Latencies latencies() const override { return parts_.times; }
    void sweep(QueueSweep& sweep, std::size_t messages_max) const override {
        sweeper_.sweep(sweep, messages_max);
    }
    [[nodiscard]] DepthSummary summarize(const QueueSweep& sweep,
                                         std::size_t count) const override {
        return sweeper_.summarize(sweep, count);
    }
    [[nodiscard]] std::optional<ScanCursor> scan(const MessageFilter& filter,
                                                 const ScanRange& range,
                                                 const OnHit& on_hit) const override {
        return scan_.scan(filter, range, on_hit);
    }
    [[nodiscard]] std::optional<MessageView> find(queue::MessageId id) const override {
        return messages_.find(id);
    }
    void describe(queue::MessageId id, OnDescribed on_described) override {
        messages_.describe(id, std::move(on_described));
    }
    [[nodiscard]] std::vector<EndingView> endings(const Endings::Query& query,
                                                  std::size_t limit) const override;
    [[nodiscard]] DestinationList busy_destinations(std::size_t limit) const override {
        return destinations_.busy(limit);
    }
    [[nodiscard]] DestinationList destinations_in_trouble(std::size_t limit) const override {
        return destinations_.in_trouble(limit);
    }
    [[nodiscard]] std::optional<DomainView> domain(const std::string& domain) const override {
        return destinations_.domain(domain);
    }
    [[nodiscard]] std::expected<Tracing::Fetched, std::string> trace(
        const std::string& watcher, const std::string& what) override {
        return parts_.tracing.fetch(watcher, what, parts_.context.now());
    }
    void end_trace(const std::string& watcher) override { parts_.tracing.end(watcher); }
    std::size_t hold(queue::MessageId id, const RecipientNumbers& only) override {
        return orders_.hold(id, only);
    }
    std::size_t release(queue::MessageId id, const RecipientNumbers& only) override {
        return orders_.release(id, only);
    }
    std::size_t flush(queue::MessageId id, const RecipientNumbers& only) override {
        return orders_.flush(id, only);
    }
    std::size_t cancel(queue::MessageId id, const RecipientNumbers& only) override {
        return orders_.cancel(id, only);
    }
    std::size_t bounce(queue::MessageId id, const std::string& reason,
                       const RecipientNumbers& only) override {
        return orders_.bounce(id, reason, only);
    }
    void when_durable(queue::Store::OnDone on_durable) override {
        parts_.store.when_durable(std::move(on_durable));
    }

    // For the queue manager itself.
    [[nodiscard]] QueueOrders& orders() { return orders_; }

private:
    Parts parts_;
    MessageQueries messages_;
    DestinationQueries destinations_;
    QueueScan scan_;
    QueueOrders orders_;
    QueueSweeper sweeper_;
};

}  // namespace mta::outbound
