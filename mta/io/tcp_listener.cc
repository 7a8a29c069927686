#include "mta/io/tcp_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "mta/io/socket_address.h"

namespace mta::io {
namespace {

// A refused connection lingers only while few sockets do: in a flood a connection may cost no more
// than one write and a close.
constexpr std::uint32_t lingering_before_refusal_max = 32;

// Whether the error is that of one connection, which is gone already: the next one may be accepted
// (accept(2)).
bool is_of_one_connection(int error) {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH: return true;
        default: return false;
    }
}

bool set_option(int socket, int level, int option) {
    const int on = 1;
    return ::setsockopt(socket, level, option, &on, sizeof on) == 0;
}

}  // namespace

TcpListener::TcpListener(Loop& loop, Handlers handlers)
    : loop_(loop),
      handlers_(std::move(handlers)),
      pause_timer_(loop, [this] { poll_->watch(true, false); }) {}

TcpListener::~TcpListener() {
    poll_.reset();
    if (socket_ >= 0) ::close(socket_);
}

std::expected<std::unique_ptr<TcpListener>, std::string> TcpListener::open(Loop& loop,
                                                                           const Endpoint& address,
                                                                           Handlers handlers) {
    std::unique_ptr<TcpListener> listener(new TcpListener(loop, std::move(handlers)));
    if (const int error = listener->listen(address); error != 0) {
        return std::unexpected(uv_strerror(uv_translate_sys_error(error)));
    }
    return listener;
}

int TcpListener::listen(const Endpoint& address) {
    const auto name = to_sockaddr(address);
    const bool is_v6 = name.ss_family == AF_INET6;
    const socklen_t name_bytes = is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    socket_ = ::socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0 || !set_option(socket_, SOL_SOCKET, SO_REUSEADDR) ||
        (is_v6 && !set_option(socket_, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        ::bind(socket_, reinterpret_cast<const sockaddr*>(&name), name_bytes) != 0 ||
        ::listen(socket_, backlog_max) != 0) {
        return errno;
    }
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return errno;
    address_ = from_sockaddr(bound);
    poll_.emplace(loop_, socket_, [this](bool, bool, int) { accept_some(); });
    poll_->watch(true, false);
    return 0;
}

// Connections that are left over make the socket readable in the next turn.
void TcpListener::accept_some() {
    for (int i = 0; i < accepted_per_turn_max; ++i) {
        sockaddr_storage name{};
        socklen_t size = sizeof name;
        const int socket = ::accept4(socket_, reinterpret_cast<sockaddr*>(&name), &size,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            take(socket, from_sockaddr(name));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (!is_of_one_connection(errno)) {
            return pause_accepting(errno);
        }
    }
}

void TcpListener::take(int socket, const Endpoint& remote) {
    if (handlers_.refusal) {
        if (const auto words = handlers_.refusal(remote); !words.empty()) {
            return refuse(socket, remote, words);
        }
    }
    if (auto stream = TcpStream::adopt(loop_, socket, remote)) {
        handlers_.on_connection(std::move(stream));
    }
}

void TcpListener::refuse(int socket, const Endpoint& remote, std::string_view words) {
    const auto& lingering = loop_.lingering();
    if (lingering.has_room_for_refused() && lingering.count() < lingering_before_refusal_max) {
        if (auto stream = TcpStream::adopt(loop_, socket, remote)) {
            stream->write(std::string(words));
            stream->finish();
        }
        return;
    }
    // A client that waits for the greeting, as it should, receives the reply and no reset.
    static_cast<void>(::send(socket, words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    ::close(socket);
}

void TcpListener::pause_accepting(int error) {
    poll_->watch(false, false);
    pause_timer_.set(pause);
    if (handlers_.on_pause) handlers_.on_pause(uv_strerror(uv_translate_sys_error(error)));
}

}  // namespace mta::io
