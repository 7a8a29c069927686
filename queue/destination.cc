#include "queue/destination.h"

#include <utility>

#include "mta/base/assert.h"

namespace queue {

Destination::Wait Destination::wait(mta::Instant now, Needs needs) const {
    if (waiting() == 0) return Wait::empty;
    if (is_closed_) return Wait::closed;
    if (!health_.is_up() && !health_.may_probe(now)) return Wait::down;
    if (needs.connection && now < pace_.next_start()) return Wait::slowed;
    if (busy_ >= concurrency_.limit() + needs.beyond_limit) return Wait::limit;
    if (needs.message && !rates_.may_take_message(now)) return Wait::message_rate;
    if (needs.connection && !rates_.may_take_connection(now)) return Wait::connection_rate;
    return Wait::turn;
}

bool Destination::start(mta::Instant now, Needs needs) {
    rates_.take(now, needs);
    ++delivering_;
    ++busy_;
    if (health_.is_up()) return false;
    health_.begin_probe();
    return true;
}

void Destination::start_behind(mta::Instant now) {
    MTA_ASSERT(health_.is_up());
    rates_.take(now, {.message = true, .connection = false});
    ++delivering_;
}

Destination::Change Destination::end(Ended ended, mta::Instant now) {
    MTA_ASSERT(delivering_ > 0 && busy_ > 0);
    const auto in_use = busy_;
    --delivering_;
    if (ended.frees_connection) --busy_;
    switch (ended.how) {
        case Ended::How::answered:
            pace_.on_answer();
            if (health_.on_success(now)) {
                concurrency_.on_recovery();
                return Change::came_up;
            }
            if (ended.may_grow) concurrency_.on_success(in_use);
            return Change::none;
        case Ended::How::broken: {
            const bool came_up = health_.on_success(now);
            if (pace_.on_break(ended.sender, ended.broken_at, now, ended.jitter) || came_up)
                concurrency_.on_recovery();
            return came_up ? Change::came_up : Change::none;
        }
        case Ended::How::failed: {
            concurrency_.on_failure({.in_use = in_use, .epoch_at_start = ended.at_start.epoch});
            const bool went_down = health_.on_failure(
                {std::move(ended.error), ended.was_probe, ended.at_start.successes, ended.jitter},
                now, policy_.probes);
            return went_down ? Change::went_down : Change::none;
        }
        case Ended::How::unknown:
            if (ended.was_probe) health_.end_probe(now, ended.at_start.successes);
            return Change::none;
    }
    return Change::none;
}

}  // namespace queue
