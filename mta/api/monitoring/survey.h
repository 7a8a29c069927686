#pragma once
#include <optional>
#include <vector>

#include "mta/api/answer.h"
#include "mta/api/call.h"
#include "mta/base/mutex.h"
#include "mta/outbound/desk/queue_sweep.h"

namespace mta::api {

// What waits where, over all shards: the figures that only a walk over the whole queue can give.
// The walk is made of small steps, so that mail flows meanwhile. It is not repeated more often than
// that it takes a small part of a shard's time, however often the result is asked for.
class Survey {
public:
    // This number of destinations with the most mail, and as many others with the oldest mail.
    static constexpr std::size_t destinations_shown = 25;

    // `call` outlives the survey.
    explicit Survey(const Call& call) : call_(call) {}

    struct Result {
        std::vector<outbound::DestinationDepth> destinations;  // the deepest first
        outbound::DestinationDepth others;
        std::size_t others_count = 0;
        Instant made;
    };
    // For many threads at once. It may wait for the walk; while another thread walks, it returns
    // the former result.
    [[nodiscard]] Outcome<Result> get();

private:
    [[nodiscard]] std::optional<Result> fresh(Instant now);
    [[nodiscard]] std::optional<Result> former();
    [[nodiscard]] Outcome<Result> make(Instant now) const;
    [[nodiscard]] Outcome<outbound::DepthSummary> walk(std::size_t shard) const;

    const Call& call_;
    Mutex walking_;  // the thread that walks holds it
    Mutex mutex_;
    std::optional<Result> latest_ GUARDED_BY(mutex_);
    Millis took_ GUARDED_BY(mutex_){};
};

}  // namespace mta::api
