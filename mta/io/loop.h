#pragma once
#include <array>
#include <functional>
#include <vector>

#include "mta/io/lingering.h"
#include "mta/io/uv_handle.h"

namespace mta::io {

// One thread's event loop. It must outlive every handle made on it; the owners of those handles
// must be destroyed before it.
class Loop {
public:
    using Work = std::move_only_function<void()>;

    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop();

    // Runs until stop() or until nothing is left that could call back.
    void run();
    void stop() { uv_stop(&loop_); }
    // Runs the callbacks that are ready, without waiting. For tests and for the end of a shutdown.
    void run_ready();

    // Runs `work` on this loop before it waits again, after the callback that is running now: for
    // answers that must not come inside a call, for gathering writes, for destroying an object that
    // is on the stack. Work that is added by work runs too, with I/O in between, so that it cannot
    // starve the loop.
    void at_turn_end(Work work);
    // Runs at the end of every turn, after all other work. Each loop has one hook, which must
    // outlive the loop's last turn.
    void set_turn_hook(Work hook) { turn_hook_ = std::move(hook); }

    [[nodiscard]] Lingering& lingering() { return lingering_; }
    [[nodiscard]] uv_loop_t* raw() { return &loop_; }
    // Reads land here. A read callback copies what it wants to keep.
    [[nodiscard]] std::array<char, 64 << 10>& read_buffer() { return read_buffer_; }

private:
    void end_turn();

    uv_loop_t loop_{};
    UvHandle<uv_prepare_t> prepare_;
    UvHandle<uv_idle_t> idle_;  // active while work waits: then the loop does not sleep
    std::vector<Work> work_;
    std::vector<Work> running_work_;
    Work turn_hook_;
    Lingering lingering_;
    std::array<char, 64 << 10> read_buffer_{};
};

}  // namespace mta::io
