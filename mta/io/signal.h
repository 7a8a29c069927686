#pragma once
#include <functional>

#include "mta/base/assert.h"
#include "mta/io/loop.h"

namespace mta::io {

// Calls back on the loop when the process gets the signal. Works on the main thread's loop only.
class Signal {
public:
    Signal(Loop& loop, int number, std::move_only_function<void()> on_signal)
        : on_signal_(std::move(on_signal)),
          handle_(make_uv_handle<uv_signal_t>(
              [&](uv_signal_t* signal) { return uv_signal_init(loop.raw(), signal); })) {
        MTA_ASSERT(handle_);
        handle_->data = this;
        const int started = uv_signal_start(
            handle_.get(),
            [](uv_signal_t* signal, int) {
                if (auto* self = static_cast<Signal*>(signal->data)) self->on_signal_();
            },
            number);
        MTA_ASSERT(started == 0);
    }
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;
    ~Signal() = default;

private:
    std::move_only_function<void()> on_signal_;
    UvHandle<uv_signal_t> handle_;
};

}  // namespace mta::io
