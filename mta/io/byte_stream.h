#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"

namespace mta::io {

// An open connection, seen as bytes. Part of the Connector port: TCP, a decorator of another
// stream, or a fake in a test.
//
// Callbacks come on the loop's thread, never inside a call into the stream. A callback may call
// anything but the destructor of its stream: owners reap at the end of the turn. No callback comes
// after on_closed.
class ByteStream {
public:
    struct Handlers {
        std::move_only_function<void(std::string_view bytes)> on_read;
        // The write backlog has fallen to zero, after a turn of the loop had left some of it or
        // after it had reached limits::stream_backlog_bytes_max. Only a backlog of that size may
        // make a writer wait.
        std::move_only_function<void()> on_drained;
        // The peer closed (empty reason) or the connection broke ("connection reset by peer").
        std::move_only_function<void(std::string_view reason)> on_closed;
        // The peer sends no more; what is written still leaves until finish(). If this is null,
        // the end of the input is on_closed.
        std::move_only_function<void()> on_input_end = nullptr;
    };

    ByteStream() = default;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    virtual ~ByteStream() = default;

    // First, before the first turn of the loop ends; reading starts with it.
    //
    // Called again, it replaces the stream's owner in the middle of the session: a decorator takes
    // the stream over, and its own handlers take the place of the driver's. It may be called inside
    // a callback; the stream keeps the old handlers until that has returned. No byte is lost and
    // none comes twice: the new handlers get what the stream had not yet given to the old ones, an
    // end that is still to be reported included, and what was written before leaves first. What the
    // old handlers have got is never given again: a decorator that changes the protocol (TLS) sees
    // nothing of what was sent before it. A pause goes on.
    virtual void start(Handlers handlers) = 0;
    // Bytes leave in order, gathered into few system calls at the end of the loop's turn.
    virtual void write(std::string bytes) = 0;
    // The bytes that are written and not yet taken by the kernel.
    [[nodiscard]] virtual std::size_t backlog_bytes() const = 0;
    // Backpressure towards the peer. Nothing is lost: unread bytes wait in the kernel.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    // After what was written has left: ends this side, reads what still comes for a moment so that
    // the peer gets the last reply and no reset, and closes. No callback comes any more.
    virtual void finish() = 0;
    // Closes at once. No callback comes any more.
    virtual void abort() = 0;

    [[nodiscard]] virtual Endpoint local() const = 0;
    [[nodiscard]] virtual Endpoint remote() const = 0;
};

}  // namespace mta::io
