#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/rate.h"
#include "mta/base/time.h"

namespace queue {

// Keeps a rate: in no time of the rate's period are more than its count taken, whatever came before
// (the period without its last instant). So that the other side sees a stream and not a flood once
// a minute, they are spread evenly; only what comes within `slack` may come at once. Without a rate
// everything is allowed.
class TokenBucket {
public:
    TokenBucket() = default;
    explicit TokenBucket(std::optional<mta::Rate> rate) { set_rate(rate); }

    // What was taken at a former rate counts on.
    void set_rate(std::optional<mta::Rate> rate);

    // When one may be taken; a time that has passed: now.
    [[nodiscard]] mta::Instant next() const;
    [[nodiscard]] bool may_take(mta::Instant now) const { return next() <= now; }
    // Only if may_take().
    void take(mta::Instant now);
    // From then on nothing that was taken matters any more.
    [[nodiscard]] mta::Instant forgotten_at() const;
    // The last one was not used. `taken` is forgotten_at() behind its take(): if others have been
    // taken since, it is lost.
    void give_back(mta::Instant taken);

    // What is to be kept over a restart: when the last one was taken, or would have been if they
    // had been spread evenly. Nothing: it matters no more.
    [[nodiscard]] std::optional<mta::Instant> last_taken(mta::Instant now) const;
    // Only before anything is taken; before or after set_rate(). A time that no rate could have
    // made (a clock was wrong) becomes the latest possible one, so it costs one interval at most.
    void restore(mta::Instant last_taken, mta::Instant now);

private:
    static constexpr mta::Millis slack{10};

    // The generic cell rate algorithm, in microseconds: each take uses `interval` of a time line
    // that may run ahead of the clock by `ahead_max`.
    std::int64_t interval_us_ = 0;  // 0: no limit
    std::int64_t ahead_max_us_ = 0;
    std::int64_t used_until_us_ = 0;
};

}  // namespace queue
