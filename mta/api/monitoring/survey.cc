#include "mta/api/monitoring/survey.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mta::api {
namespace {

using outbound::DepthSummary;
using outbound::QueueSweep;

constexpr std::size_t step_messages = 10'000;  // about a millisecond of the shard's time
constexpr Millis fresh_at_least{1000};
constexpr int rest_factor = 20;  // walks take at most a twentieth of the time

}  // namespace

std::optional<Survey::Result> Survey::fresh(Instant now) {
    const MutexLock lock(mutex_);
    const auto keep_for = std::max(fresh_at_least, took_ * rest_factor);
    if (latest_ && now - latest_->made < keep_for) return latest_;
    return std::nullopt;
}

std::optional<Survey::Result> Survey::former() {
    const MutexLock lock(mutex_);
    return latest_;
}

Outcome<Survey::Result> Survey::get() {
    MTA_TRY(now, call_.now());
    if (auto known = fresh(now)) return std::move(*known);
    if (!walking_.try_lock()) {
        if (auto known = former()) return std::move(*known);
        walking_.lock();
    }
    const MutexLock walking(walking_, std::adopt_lock);
    // Another thread may have made one meanwhile.
    if (auto known = fresh(now)) return std::move(*known);
    MTA_TRY(made, make(now));
    made.made = call_.now().value_or(now);
    const MutexLock lock(mutex_);
    took_ = made.made - now;
    latest_ = made;
    return std::move(made);
}

Outcome<Survey::Result> Survey::make(Instant now) const {
    Result result{.destinations = {}, .others = {}, .others_count = 0, .made = now};
    for (std::size_t shard = 0; shard < call_.shard_count(); ++shard) {
        MTA_TRY(summary, walk(shard));
        std::ranges::move(summary.destinations, std::back_inserter(result.destinations));
        result.others.depth.add(summary.others.depth);
        result.others.view.connections += summary.others.view.connections;
        result.others_count += summary.others_count;
    }
    return result;
}

Outcome<DepthSummary> Survey::walk(std::size_t shard) const {
    QueueSweep sweep;
    while (!sweep.is_done) {
        MTA_TRY(further, call_.of<QueueSweep>(
                             shard, [sweep = std::move(sweep)](const Desk& desk, Instant) mutable {
                                 desk.sweep(sweep, step_messages);
                                 return std::move(sweep);
                             }));
        sweep = std::move(further);
    }
    return call_.of<DepthSummary>(shard, [sweep = std::move(sweep)](const Desk& desk, Instant) {
        return desk.summarize(sweep, destinations_shown);
    });
}

}  // namespace mta::api
