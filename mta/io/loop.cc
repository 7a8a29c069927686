#include "mta/io/loop.h"

#include "mta/base/assert.h"

namespace mta::io {

Loop::Loop() {
    MTA_ASSERT(uv_loop_init(&loop_) == 0);
    prepare_ = make_uv_handle<uv_prepare_t>(
        [this](uv_prepare_t* handle) { return uv_prepare_init(&loop_, handle); });
    idle_ = make_uv_handle<uv_idle_t>(
        [this](uv_idle_t* handle) { return uv_idle_init(&loop_, handle); });
    MTA_ASSERT(prepare_ && idle_);
    prepare_->data = this;
    uv_prepare_start(prepare_.get(), [](uv_prepare_t* handle) {
        if (handle->data != nullptr) static_cast<Loop*>(handle->data)->end_turn();
    });
    uv_unref(reinterpret_cast<uv_handle_t*>(prepare_.get()));
}

Loop::~Loop() {
    turn_hook_ = {};
    // A stream that lingers closes itself, and needs turns and their ends until then.
    do {
        end_turn();
        uv_run(&loop_, UV_RUN_DEFAULT);
    } while (!work_.empty());
    prepare_.reset();
    idle_.reset();
    uv_run(&loop_, UV_RUN_DEFAULT);
    const int left = uv_loop_close(&loop_);
    MTA_ASSERT(left == 0 && "a handle outlived its loop");
}

void Loop::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

void Loop::run_ready() { uv_run(&loop_, UV_RUN_NOWAIT); }

void Loop::at_turn_end(Work work) {
    if (work_.empty()) uv_idle_start(idle_.get(), [](uv_idle_t*) {});
    work_.push_back(std::move(work));
}

void Loop::end_turn() {
    uv_idle_stop(idle_.get());
    MTA_ASSERT(running_work_.empty());
    running_work_.swap(work_);
    for (auto& work : running_work_) work();
    running_work_.clear();
    if (turn_hook_) turn_hook_();
}

}  // namespace mta::io
