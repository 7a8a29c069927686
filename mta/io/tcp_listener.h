#pragma once
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"
#include "mta/io/loop.h"
#include "mta/io/poll.h"
#include "mta/io/tcp_stream.h"
#include "mta/io/timer.h"

namespace mta::io {

// A listening TCP socket. It has its port to itself: with SO_REUSEPORT, which several shards would
// need, a second relay of the same user would silently take half of the first one's clients. An
// IPv6 listener takes IPv6 only.
//
// In one turn of the loop it accepts a limited number of connections, so that a flood of them
// leaves time for everything else. When the system has no descriptor or memory for one more, the
// listener pauses for 100 ms and goes on; the connections wait in the kernel meanwhile. (libuv's
// own listener closes all that wait then, and may spin.)
class TcpListener {
public:
    struct Handlers {
        std::move_only_function<void(std::unique_ptr<TcpStream>)> on_connection;
        // Asked first: the reply that turns the client away; empty: it is served. The
        // bytes stay valid until the next call. A refused connection costs little, since nothing is
        // made of it; it lingers while few sockets do, and is closed at once otherwise. Null:
        // all are welcome.
        std::move_only_function<std::string_view(const Endpoint& remote)> refusal = nullptr;
        // It pauses; `reason`: "too many open files".
        std::move_only_function<void(std::string_view reason)> on_pause = nullptr;
    };
    using OnConnection = std::move_only_function<void(std::unique_ptr<TcpStream>)>;
    // Connections that the kernel keeps for us, if net.core.somaxconn allows so many. One more is
    // dropped, and its client tries again after a second and longer.
    static constexpr int backlog_max = 4096;
    static constexpr int accepted_per_turn_max = 128;
    static constexpr Millis pause{100};

    // The error is for people: "address already in use". Callbacks come on the loop until
    // destruction.
    [[nodiscard]] static std::expected<std::unique_ptr<TcpListener>, std::string> open(
        Loop& loop, const Endpoint& address, Handlers handlers);
    [[nodiscard]] static std::expected<std::unique_ptr<TcpListener>, std::string> open(
        Loop& loop, const Endpoint& address, OnConnection on_connection) {
        return open(loop, address, Handlers{.on_connection = std::move(on_connection)});
    }
    TcpListener(const TcpListener&) = delete;
    TcpListener& operator=(const TcpListener&) = delete;
    ~TcpListener();

    // With the port that the system chose, if 0 was asked for.
    [[nodiscard]] Endpoint address() const { return address_; }

private:
    TcpListener(Loop& loop, Handlers handlers);
    // Zero or an errno.
    [[nodiscard]] int listen(const Endpoint& address);
    void accept_some();
    void take(int socket, const Endpoint& remote);
    void refuse(int socket, const Endpoint& remote, std::string_view words);
    void pause_accepting(int error);

    Loop& loop_;
    Handlers handlers_;
    int socket_ = -1;
    std::optional<Poll> poll_;
    Timer pause_timer_;
    Endpoint address_;
};

}  // namespace mta::io
