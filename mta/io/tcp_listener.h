#pragma once
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "mta/base/ip_address.h"
#include "mta/io/loop.h"
#include "mta/io/tcp_stream.h"

namespace mta::io {

// A listening TCP socket. It has its port to itself: with SO_REUSEPORT, which several shards would
// need, a second relay of the same user would silently take half of the first one's clients. An
// IPv6 listener takes IPv6 only.
class TcpListener {
public:
    using OnConnection = std::move_only_function<void(std::unique_ptr<TcpStream>)>;
    static constexpr int backlog_max = 1024;  // connections that the kernel keeps for us

    // The error is for people: "address already in use". Callbacks come on the loop until
    // destruction.
    [[nodiscard]] static std::expected<std::unique_ptr<TcpListener>, std::string> open(
        Loop& loop, const Endpoint& address, OnConnection on_connection);
    TcpListener(const TcpListener&) = delete;
    TcpListener& operator=(const TcpListener&) = delete;
    ~TcpListener() = default;

    // With the port that the system chose, if 0 was asked for.
    [[nodiscard]] Endpoint address() const { return address_; }

private:
    TcpListener(Loop& loop, OnConnection on_connection);
    [[nodiscard]] int listen(const Endpoint& address);
    void accept();

    Loop& loop_;
    OnConnection on_connection_;
    UvHandle<uv_tcp_t> handle_;
    Endpoint address_;
};

}  // namespace mta::io
