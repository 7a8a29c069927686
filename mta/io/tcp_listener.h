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

// A listening TCP socket. It does not share its port: with SO_REUSEPORT, which several shards would
// need, a second relay of the same user would silently take half of the first one's clients. An
// IPv6 listener takes IPv6 only.
//
// In one turn of the loop it accepts a limited number of connections, so that a flood of them
// leaves time for everything else. When the system has no descriptor or memory for one more, the
// listener pauses for 100 ms; the connections wait in the kernel meanwhile. (libuv's own listener
// closes all that wait then, and may spin.)
class TcpListener {
public:
    struct Handlers {
        std::move_only_function<void(std::unique_ptr<TcpStream>)> on_connection;
        // Called before on_connection: returns the reply that turns the client away, or an empty
        // one if the client is served. The bytes must stay valid until the next call. A refused
        // connection costs little, since no stream is made of it; it lingers while few sockets do,
        // and is closed at once otherwise. If this is null, all clients are served.
        std::move_only_function<std::string_view(const Endpoint& remote)> refusal = nullptr;
        // The listener pauses; `reason` is for people: "too many open files".
        std::move_only_function<void(std::string_view reason)> on_pause = nullptr;
    };
    using OnConnection = std::move_only_function<void(std::unique_ptr<TcpStream>)>;
    // How many connections wait in the kernel, if net.core.somaxconn allows so many. The kernel
    // drops one more, and its client tries again after a second or longer.
    static constexpr int backlog_max = 4096;
    static constexpr int accepted_per_turn_max = 128;
    static constexpr Millis pause{100};

    // The error is in words for people: "address already in use". Callbacks come on the loop until
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

    // With the port that the system chose, if the port was 0.
    [[nodiscard]] Endpoint address() const { return address_; }

private:
    TcpListener(Loop& loop, Handlers handlers);
    // Returns zero or an errno.
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
