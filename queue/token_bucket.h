#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/rate.h"
#include "mta/base/time.h"

namespace queue {

// Enforces a rate: in no stretch of the rate's period, its last instant excluded, is more than its
// count taken. What is taken is spread evenly, so that the remote sees a stream and no flood once a
// minute; only what falls within `slack` may be taken at once. Without a rate, all is allowed.
class TokenBucket {
public:
    TokenBucket() = default;
    explicit TokenBucket(std::optional<mta::Rate> rate) { set_rate(rate); }

    // What was taken at a former rate still counts.
    void set_rate(std::optional<mta::Rate> rate);

    // When one may be taken; a time in the past means now.
    [[nodiscard]] mta::Instant next() const;
    [[nodiscard]] bool may_take(mta::Instant now) const { return next() <= now; }
    // Only if may_take().
    void take(mta::Instant now);
    // From then on nothing that was taken counts.
    [[nodiscard]] mta::Instant forgotten_at() const;
    // Returns the last one, which was not used. `taken` is what forgotten_at() was right after its
    // take(). If others have been taken since, nothing is returned.
    void give_back(mta::Instant taken);

    // For the next process: when the last one was taken, or would have been if they had been spread
    // evenly. Empty if it no longer counts.
    [[nodiscard]] std::optional<mta::Instant> last_taken(mta::Instant now) const;
    // Only before anything is taken; before or after set_rate(). A time that no rate could have
    // made (the clock was wrong) becomes the latest possible one, so it costs one interval at most.
    struct Restored {
        mta::Instant last_taken;
        mta::Instant now;
    };
    void restore(const Restored& from);

private:
    static constexpr mta::Millis slack{10};

    // The generic cell rate algorithm, in microseconds: each take uses `interval` of a time line
    // that may run ahead of the clock by `ahead_max`.
    std::int64_t interval_us_ = 0;  // 0: no limit
    std::int64_t ahead_max_us_ = 0;
    std::int64_t used_until_us_ = 0;
};

}  // namespace queue
