#include "mta/api/survey.h"

#include <algorithm>
#include <utility>

#include "mta/api/shard_call.h"

namespace mta::admin {
namespace {

using outbound::QueueManager;
using outbound::QueueSweep;

constexpr std::size_t step_messages = 10'000;  // about a millisecond of the shard's time
constexpr Millis fresh_at_least{1000};
constexpr int rest_factor = 20;  // walks take at most a twentieth of the time

}  // namespace

std::optional<Instant> Survey::time() const {
    if (shards_.empty()) return Instant{};
    return call_shard<Instant>(
        shards_.front(), patience_,
        [](QueueManager&, Instant now, const auto& slot) { slot->put(now); });
}

std::optional<Survey::Result> Survey::get() {
    const auto now = time();
    if (!now) return std::nullopt;
    const auto fresh = [&]() -> std::optional<Result> {
        const std::lock_guard lock(mutex_);
        const auto keep_for = std::max(fresh_at_least, took_ * rest_factor);
        if (latest_ && *now - latest_->made < keep_for) return latest_;
        return std::nullopt;
    };
    if (auto known = fresh()) return known;
    std::unique_lock walk(walking_, std::try_to_lock);
    if (!walk) {
        const std::lock_guard lock(mutex_);
        if (latest_) return latest_;
    }
    if (!walk) walk.lock();
    // Another thread may have been faster.
    if (auto known = fresh()) return known;
    auto made = make(*now);
    if (!made) return std::nullopt;
    const auto end = time().value_or(*now);
    const std::lock_guard lock(mutex_);
    took_ = end - *now;
    made->made = end;
    latest_ = std::move(made);
    return latest_;
}

std::optional<Survey::Result> Survey::make(Instant now) {
    Result result{.made = now};
    for (const auto& post : shards_) {
        QueueSweep sweep;
        while (!sweep.is_done) {
            auto further =
                call_shard<QueueSweep>(post, patience_,
                                       [sweep = std::move(sweep)](QueueManager& manager, Instant,
                                                                  const auto& slot) mutable {
                                           manager.sweep(sweep, step_messages);
                                           slot->put(std::move(sweep));
                                       });
            if (!further) return std::nullopt;
            sweep = std::move(*further);
        }
        auto summary = call_shard<outbound::DepthSummary>(
            post, patience_,
            [sweep = std::move(sweep)](QueueManager& manager, Instant, const auto& slot) {
                slot->put(manager.summarize(sweep, destinations_shown));
            });
        if (!summary) return std::nullopt;
        std::ranges::move(summary->destinations, std::back_inserter(result.destinations));
        result.others.depth.add(summary->others.depth);
        result.others.view.connections += summary->others.view.connections;
        result.others_count += summary->others_count;
    }
    return result;
}

}  // namespace mta::admin
