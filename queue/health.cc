#include "queue/health.h"

#include <algorithm>
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
    if (state_ == State::up) {
        if (failure.successes_at_start != successes_) return false;
        ++strikes_;
        const bool is_trusted = last_success_ && now - *last_success_ < trust;
        if (is_trusted && strikes_ < policy.failures_max) return false;
    }
    last_error_ = std::move(failure.error);
    const bool is_of_probe =
        state_ == State::probing && failure.is_probe && failure.successes_at_start == successes_;
    if (state_ != State::up && !is_of_probe) return false;
    const bool went_down = state_ == State::up;
    if (went_down) {
        failures_ = 0;
        due_unordered_.reset();
        down_since_ = now;
    }
    state_ = State::down;
    const auto due_unordered = std::exchange(due_unordered_, std::nullopt);
    if (!due_unordered) ++failures_;
    next_probe_ = due_unordered.value_or(now);
    if (next_probe_ <= now)
        next_probe_ = now + exponential_delay(policy.interval_min, policy.interval_max, failures_,
                                              failure.jitter);
    return went_down;
}

bool Health::on_success(mta::Instant now) {
    const bool was_down = state_ != State::up;
    state_ = State::up;
    failures_ = 0;
    strikes_ = 0;
    due_unordered_.reset();
    ++successes_;
    last_success_ = now;
    if (was_down) last_error_ = {};
    return was_down;
}

void Health::begin_probe() {
    MTA_ASSERT(state_ == State::down);
    state_ = State::probing;
}

void Health::end_probe(mta::Instant now, std::uint64_t successes_at_start) {
    if (state_ != State::probing || successes_at_start != successes_) return;
    state_ = State::down;
    next_probe_ = now;
}

void Health::probe_now(mta::Instant now) {
    if (state_ == State::up) return;
    if (!due_unordered_) due_unordered_ = next_probe_;
    end_interval(now);
}

void Health::end_interval(mta::Instant now) {
    if (state_ == State::down && next_probe_ > now) next_probe_ = now;
}

std::optional<Health::Trouble> Health::trouble() const {
    if (state_ == State::up) return std::nullopt;
    return Trouble{down_since_, due_unordered_.value_or(next_probe_), failures_, last_error_};
}

void Health::restore(Trouble trouble, mta::Instant now, const ProbePolicy& policy) {
    MTA_ASSERT(state_ == State::up && successes_ == 0);
    state_ = State::down;
    failures_ = std::max(trouble.failures, 1u);
    down_since_ = std::min(trouble.down_since, now);
    // Intervals are spread by a tenth.
    const bool is_possible = trouble.next_probe <= now + policy.interval_max * 11 / 10;
    next_probe_ = is_possible ? trouble.next_probe : now;
    last_error_ = std::move(trouble.error);
}

}  // namespace queue
