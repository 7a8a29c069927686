#pragma once
#include <mutex>
#include <optional>
#include <vector>

#include "mta/api/api.h"
#include "mta/outbound/lifecycle/queue_sweep.h"

namespace mta::admin {

// What waits where, over all shards: the figures that only a walk over the whole queue can give.
// The walk is made of small steps, so that mail flows meanwhile, and at most so often that it takes
// a small part of a shard's time, however often it is asked for.
class Survey {
public:
    // Destinations by their depth, and so many again by their age.
    static constexpr std::size_t destinations_shown = 25;

    Survey(std::vector<Api::Post> shards, Millis patience)
        : shards_(std::move(shards)), patience_(patience) {}

    struct Result {
        std::vector<outbound::DestinationDepth> destinations;  // the deepest first
        outbound::DestinationDepth others;
        std::size_t others_count = 0;
        Instant made;
    };
    // From any thread; may wait for the walk. While another thread walks the former result is
    // given. Nothing: a shard did not answer in time.
    [[nodiscard]] std::optional<Result> get();

private:
    [[nodiscard]] std::optional<Result> make(Instant now);
    [[nodiscard]] std::optional<Instant> time() const;

    std::vector<Api::Post> shards_;
    Millis patience_;
    std::mutex walking_;
    std::mutex mutex_;  // of the rest
    std::optional<Result> latest_;
    Millis took_{};
};

}  // namespace mta::admin
