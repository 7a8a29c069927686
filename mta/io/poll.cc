#include "mta/io/poll.h"

#include <utility>

#include "mta/base/assert.h"

namespace mta::io {

Poll::Poll(Loop& loop, int socket, OnReady on_ready)
    : handle_(make_uv_handle<Handle>(
          [&](Handle* handle) { return uv_poll_init_socket(loop.raw(), handle, socket); })) {
    MTA_ASSERT(handle_);  // fails only for what is no socket, or is watched already
    handle_->on_ready = std::move(on_ready);
    handle_->data = handle_.get();
}

void Poll::watch(bool readable, bool writable) {
    const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (events == 0) {
        uv_poll_stop(handle_.get());
        return;
    }
    const int error = uv_poll_start(handle_.get(), events, &Poll::on_event);
    MTA_ASSERT(error == 0);
}

void Poll::on_event(uv_poll_t* handle, int status, int events) {
    if (handle->data == nullptr) return;
    auto& on_ready = static_cast<Handle*>(handle)->on_ready;
    const bool failed = status < 0;
    on_ready(failed || (events & UV_READABLE) != 0, failed || (events & UV_WRITABLE) != 0, status);
}

}  // namespace mta::io
