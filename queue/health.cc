#include "queue/health.h"

#include <utility>

#include "mta/base/assert.h"
#include "queue/backoff.h"

namespace queue {

std::optional<mta::Instant> Health::next_probe() const {
    if (state_ != State::down) return std::nullopt;
    return next_probe_;
}

bool Health::may_probe(mta::Instant now) const {
    return state_ == State::down && now >= next_probe_;
}

std::optional<mta::Instant> Health::down_since() const {
    if (state_ == State::up) return std::nullopt;
    return down_since_;
}

bool Health::on_failure(Failure failure, mta::Instant now, const ProbePolicy& policy) {
    last_error_ = std::move(failure.error);
    if (state_ != State::up && !failure.is_probe) return false;
    const bool went_down = state_ == State::up;
    if (went_down) {
        failures_ = 0;
        down_since_ = now;
    }
    state_ = State::down;
    ++failures_;
    next_probe_ = now + exponential_delay(policy.interval_min, policy.interval_max, failures_,
                                          failure.jitter);
    return went_down;
}

bool Health::on_success() {
    const bool was_down = state_ != State::up;
    state_ = State::up;
    failures_ = 0;
    if (was_down) last_error_ = {};
    return was_down;
}

void Health::begin_probe() {
    MTA_ASSERT(state_ == State::down);
    state_ = State::probing;
}

void Health::end_probe(mta::Instant now) {
    if (state_ != State::probing) return;
    state_ = State::down;
    next_probe_ = now;
}

void Health::probe_now(mta::Instant now) {
    if (state_ == State::down && next_probe_ > now) next_probe_ = now;
}

}  // namespace queue
