#pragma once
#include <optional>
#include <vector>

#include "mta/base/time.h"
#include "mta/base/timer_wheel.h"

namespace mta {

// One timer for each entry of a table: a TimerWheel whose timers are named by the handles of the
// entries.
template <class H>
class HandleTimers {
public:
    explicit HandleTimers(Instant start = Instant{}) : wheel_(start) {}

    // Replaces an earlier time. A time that has passed fires at the next advance().
    void set(H handle, Instant at) { wheel_.set(handle.index(), at); }
    void clear(H handle) { wheel_.clear(handle.index()); }
    [[nodiscard]] bool is_set(H handle) const { return wheel_.is_set(handle.index()); }
    // The time that was set. Only if is_set().
    [[nodiscard]] Instant time_of(H handle) const { return wheel_.time_of(handle.index()); }
    // No timer fires before this (TimerWheel::next()). Empty while no timer is set.
    [[nodiscard]] std::optional<Instant> next() const { return wheel_.next(); }

    // Takes out every timer with a time <= now. The handles are in the order of
    // TimerWheel::advance(), and valid until the next call.
    [[nodiscard]] const std::vector<H>& advance(Instant now) {
        fired_ids_.clear();
        fired_.clear();
        wheel_.advance(now, fired_ids_);
        for (const auto id : fired_ids_) fired_.push_back(H(id));
        return fired_;
    }

private:
    TimerWheel wheel_;
    std::vector<TimerWheel::Id> fired_ids_;
    std::vector<H> fired_;
};

}  // namespace mta
