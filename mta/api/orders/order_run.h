#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "mta/api/answer.h"
#include "mta/api/call.h"
#include "mta/api/orders/order_kind.h"
#include "mta/api/orders/order_request.h"

namespace mta::api {

// What an order has changed, or would change.
struct Touched {
    std::size_t messages = 0;
    std::size_t recipients = 0;

    void add(std::size_t recipients_touched) {
        messages += recipients_touched > 0 ? 1 : 0;
        recipients += recipients_touched;
    }
    void add(const Touched& other) {
        messages += other.messages;
        recipients += other.recipients;
    }
};

// Counts what the order is about, without doing anything.
[[nodiscard]] Outcome<Touched> count_order(const Call& call, const OrderKind& kind,
                                           const OrderRequest& order);

// Carries out an order, or a part of a large one. It goes through the queue in steps, between which
// the relay does its other work. What it has changed is on disk when execute() returns.
class OrderRun {
public:
    // All are used until the run is destroyed.
    OrderRun(const Call& call, const OrderKind& kind, const OrderRequest& order);

    struct Result {
        Touched touched;
        std::optional<Cursor> next;  // where to go on; empty if the order is done
    };
    [[nodiscard]] Outcome<Result> execute();

private:
    struct Target {
        queue::MessageId id = 0;
        std::vector<std::uint32_t> recipients;
    };
    // One turn of a shard: the targets found and the place to go on from. If the filter leaves no
    // doubt, the order is carried out in the same turn.
    struct Step {
        std::vector<Target> targets;
        Touched touched;
        std::optional<outbound::ScanCursor> next;
    };

    [[nodiscard]] static std::optional<Target> target_of(const outbound::MessageHit& hit,
                                                         const OrderKind& kind);
    [[nodiscard]] static Touched act_on(Desk& desk, const Act& act, std::vector<Target> targets);

    // Moves `cursor`, which is empty when all is done.
    [[nodiscard]] Outcome<Touched> step(std::optional<Cursor>& cursor) const;
    [[nodiscard]] Outcome<Step> first_turn(const Cursor& from) const;
    // Those of the targets that match by their content on disk and are still queued.
    [[nodiscard]] Outcome<std::vector<Target>> confirm(std::size_t shard,
                                                       const std::vector<Target>& targets) const;
    [[nodiscard]] std::vector<std::uint32_t> confirmed_numbers(
        const Target& target, const outbound::MessageView& message) const;

    const Call& call_;
    const OrderKind& kind_;
    const OrderRequest& order_;
    bool has_to_read_;
};

}  // namespace mta::api
