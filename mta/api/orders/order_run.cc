#include "mta/api/orders/order_run.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace mta::api {
namespace {

// The most messages that are changed in one turn of a shard's loop, and in one answer. For a bounce
// they are fewer, because it reads each message from the disk and makes a report.
constexpr std::size_t step_messages_max = 500;
constexpr std::size_t read_step_messages_max = 100;
constexpr std::size_t answer_messages_max = 50'000;
constexpr std::size_t read_answer_messages_max = 5'000;
// The most messages that are looked at in one turn.
constexpr std::size_t scan_messages = 50'000;
// An answer takes about this long at most: clients do not wait for ever.
constexpr Millis answer_time_max{5000};

std::size_t recipients_of(const outbound::MessageHit& hit, const OrderKind& kind) {
    return static_cast<std::size_t>(std::ranges::count_if(hit.recipients, kind.concerns));
}

class CountTargets {
public:
    explicit CountTargets(const OrderKind& kind) : kind_(kind) {}
    [[nodiscard]] static bool needs_details() { return false; }
    bool add(const outbound::MessageHit& hit, std::size_t /*shard*/) {
        touched_.add(recipients_of(hit, kind_));
        return true;
    }
    [[nodiscard]] const Touched& touched() const { return touched_; }

private:
    const OrderKind& kind_;
    Touched touched_;
};

}  // namespace

Outcome<Touched> count_order(const Call& call, const OrderKind& kind, const OrderRequest& order) {
    const auto counting = std::make_shared<CountTargets>(kind);
    if (auto done = call.scan_all(order.filter, counting); !done)
        return std::unexpected(std::move(done).error());
    return counting->touched();
}

OrderRun::OrderRun(const Call& call, const OrderKind& kind, const OrderRequest& order)
    : call_(call),
      kind_(kind),
      order_(order),
      has_to_read_(kind.reads_messages || order.filter.is_by_hash()) {}

Outcome<OrderRun::Result> OrderRun::execute() {
    const auto messages_max = has_to_read_ ? read_answer_messages_max : answer_messages_max;
    Result result{.touched = {}, .next = order_.from};
    MTA_TRY(started, call_.now());
    Millis took{};
    while (result.next && result.touched.messages < messages_max && took < answer_time_max) {
        MTA_TRY(some, step(result.next));
        result.touched.add(some);
        // After each step, so that little waits for the disk.
        if (some.messages > 0) {
            if (auto durable = call_.until_durable(); !durable)
                return std::unexpected(std::move(durable).error());
        }
        MTA_TRY(now, call_.now());
        took = now - started;
    }
    return result;
}

std::optional<OrderRun::Target> OrderRun::target_of(const outbound::MessageHit& hit,
                                                    const OrderKind& kind) {
    Target target{.id = hit.id, .recipients = {}};
    for (const auto& recipient : hit.recipients) {
        if (kind.concerns(recipient)) target.recipients.push_back(recipient.number);
    }
    if (target.recipients.empty()) return std::nullopt;
    return target;
}

Touched OrderRun::act_on(Desk& desk, const Act& act, std::vector<Target> targets) {
    Touched touched;
    for (auto& target : targets) touched.add(act(desk, target.id, std::move(target.recipients)));
    return touched;
}

Outcome<Touched> OrderRun::step(std::optional<Cursor>& cursor) const {
    const auto from = *cursor;
    MTA_TRY(step, first_turn(from));
    cursor = call_.after(from, step.next);
    if (!has_to_read_ || step.targets.empty()) return step.touched;
    MTA_TRY(confirmed, confirm(from.shard, step.targets));
    return call_.of<Touched>(from.shard, [act = order_.act, targets = std::move(confirmed)](
                                             Desk& desk, Instant) mutable {
        return act_on(desk, act, std::move(targets));
    });
}

Outcome<OrderRun::Step> OrderRun::first_turn(const Cursor& from) const {
    return call_.of<Step>(
        from.shard, [kind = &kind_, filter = order_.filter, act = order_.act,
                     has_to_read = has_to_read_, position = from.position](Desk& desk, Instant) {
            Step step;
            const auto count_max = has_to_read ? read_step_messages_max : step_messages_max;
            step.next = desk.scan(
                filter, {.from = position, .messages_max = scan_messages, .with_details = false},
                [&](const auto& hit) {
                    if (auto target = target_of(hit, *kind))
                        step.targets.push_back(std::move(*target));
                    return step.targets.size() < count_max;
                });
            if (!has_to_read) step.touched = act_on(desk, act, std::move(step.targets));
            return step;
        });
}

Outcome<std::vector<OrderRun::Target>> OrderRun::confirm(std::size_t shard,
                                                         const std::vector<Target>& targets) const {
    std::vector<FoundMessage> found;
    for (const auto& target : targets) found.push_back({target.id, shard});
    MTA_TRY(views, call_.describe(found));
    std::vector<Target> confirmed;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (!views[i]) continue;
        auto numbers = order_.filter.is_by_hash() ? confirmed_numbers(targets[i], *views[i])
                                                  : targets[i].recipients;
        if (!numbers.empty()) confirmed.push_back({targets[i].id, std::move(numbers)});
    }
    return confirmed;
}

std::vector<std::uint32_t> OrderRun::confirmed_numbers(const Target& target,
                                                       const outbound::MessageView& message) const {
    std::vector<std::uint32_t> numbers;
    for (const auto& recipient : message.recipients) {
        if (std::ranges::binary_search(target.recipients, recipient.number) &&
            outbound::is_confirmed_by(order_.filter, message, recipient)) {
            numbers.push_back(recipient.number);
        }
    }
    return numbers;
}

}  // namespace mta::api
