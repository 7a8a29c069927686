#pragma once
#include <functional>

#include "mta/io/loop.h"

namespace mta::io {

// Watches a socket that belongs to somebody else (a library that does its own I/O). The socket must
// be open while the Poll lives: destroy the Poll first, then close the socket; its number may be
// used again at once.
//
// No callback comes after destruction. The callback may destroy the Poll.
class Poll {
public:
    // `status`: 0, or libuv's negative error code; then readable and writable are both true, so
    // that whoever tries finds out.
    using OnReady = std::move_only_function<void(bool readable, bool writable, int status)>;

    Poll(Loop& loop, int socket, OnReady on_ready);

    // What to wait for; replaces what was. Nothing at all: stops.
    void watch(bool readable, bool writable);

private:
    struct Handle : uv_poll_t {
        OnReady on_ready;  // here, so that it outlives a destruction from inside itself
    };
    static void on_event(uv_poll_t* handle, int status, int events);

    UvHandle<Handle> handle_;
};

}  // namespace mta::io
