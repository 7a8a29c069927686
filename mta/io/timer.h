#pragma once
#include <algorithm>
#include <functional>

#include "mta/base/assert.h"
#include "mta/base/time.h"
#include "mta/io/loop.h"

namespace mta::io {

// One deadline at a time: set() replaces it. No callback comes after destruction. The callback may
// destroy the timer.
class Timer {
public:
    using Callback = std::move_only_function<void()>;

    Timer(Loop& loop, Callback on_expiry)
        : on_expiry_(std::move(on_expiry)),
          handle_(make_uv_handle<uv_timer_t>(
              [&](uv_timer_t* timer) { return uv_timer_init(loop.raw(), timer); })) {
        MTA_ASSERT(handle_);
        handle_->data = this;
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() = default;

    // At least 1 ms: a timer of 0 ms that rearms itself starves I/O.
    void set(Millis delay) { start(delay, Millis{0}); }
    void repeat(Millis interval) { start(interval, interval); }
    void clear() { uv_timer_stop(handle_.get()); }
    [[nodiscard]] bool is_set() const {
        return uv_is_active(reinterpret_cast<const uv_handle_t*>(handle_.get())) != 0;
    }

private:
    void start(Millis delay, Millis interval) {
        const auto delay_ms = static_cast<std::uint64_t>(std::max<Millis::rep>(delay.count(), 1));
        uv_timer_start(
            handle_.get(),
            [](uv_timer_t* timer) {
                if (auto* self = static_cast<Timer*>(timer->data)) self->on_expiry_();
            },
            delay_ms, static_cast<std::uint64_t>(interval.count()));
    }

    Callback on_expiry_;
    UvHandle<uv_timer_t> handle_;
};

}  // namespace mta::io
