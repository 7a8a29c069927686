#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"

namespace mta::io {

// An open connection, seen as bytes. Part of the Connector port: TCP, TLS or a test's invention.
//
// Callbacks come on the loop's thread, never inside a call into the stream. A callback may call
// anything but the destructor of its stream: owners reap at the end of the turn. After on_closed
// none comes.
class ByteStream {
public:
    struct Handlers {
        std::move_only_function<void(std::string_view bytes)> on_read;
        // The write backlog has fallen to zero, after a turn of the loop had left some of it or
        // after it had reached limits::stream_backlog_bytes_max. Only beyond that may somebody wait
        // for it.
        std::move_only_function<void()> on_drained;
        // The peer closed (empty reason) or the connection broke ("connection reset by peer").
        std::move_only_function<void(std::string_view reason)> on_closed;
        // The peer sends no more; what is written still leaves until finish(). Null: the end of
        // the input is on_closed.
        std::move_only_function<void()> on_input_end = nullptr;
    };

    ByteStream() = default;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    virtual ~ByteStream() = default;

    // Once, before the first turn of the loop ends; reading starts with it.
    virtual void start(Handlers handlers) = 0;
    // Bytes leave in order, gathered into few system calls at the end of the loop's turn.
    virtual void write(std::string bytes) = 0;
    // Bytes written and not yet taken by the kernel.
    [[nodiscard]] virtual std::size_t backlog_bytes() const = 0;
    // Backpressure towards the peer. Nothing is lost: unread bytes wait in the kernel.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    // After what was written has left: ends our side, reads what still comes for a moment so that
    // the peer gets our last words and no reset, and closes. No callback comes any more.
    virtual void finish() = 0;
    // Closes at once. No callback comes any more.
    virtual void abort() = 0;

    [[nodiscard]] virtual Endpoint local() const = 0;
    [[nodiscard]] virtual Endpoint remote() const = 0;
};

}  // namespace mta::io
