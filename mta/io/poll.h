#pragma once
#include <functional>

#include "mta/io/loop.h"

namespace mta::io {

// Watches a socket of another owner (a library that does its own I/O). The socket must be open
// while the Poll lives: destroy the Poll first, then close the socket; its number may be used again
// at once.
//
// No callback comes after destruction. The callback may destroy the Poll.
class Poll {
public:
    // `status` is 0, or libuv's negative error code; then readable and writable are both true, so
    // that the owner tries and gets the error.
    using OnReady = std::move_only_function<void(bool readable, bool writable, int status)>;

    Poll(Loop& loop, int socket, OnReady on_ready);

    // Sets what to wait for, in place of what was set before; stops if both are false.
    void watch(bool readable, bool writable);

private:
    struct Handle : uv_poll_t {
        OnReady on_ready;  // here, so that it outlives a Poll that it destroys
    };
    static void on_event(uv_poll_t* handle, int status, int events);

    UvHandle<Handle> handle_;
};

}  // namespace mta::io
