#include "mta/io/tcp_listener.h"

#include "mta/io/socket_address.h"

namespace mta::io {

TcpListener::TcpListener(Loop& loop, OnConnection on_connection)
    : loop_(loop), on_connection_(std::move(on_connection)) {}

std::expected<std::unique_ptr<TcpListener>, std::string> TcpListener::open(
    Loop& loop, const Endpoint& address, OnConnection on_connection) {
    std::unique_ptr<TcpListener> listener(new TcpListener(loop, std::move(on_connection)));
    if (const int status = listener->listen(address); status != 0) {
        return std::unexpected(uv_strerror(status));
    }
    return listener;
}

int TcpListener::listen(const Endpoint& address) {
    const auto name = to_sockaddr(address);
    int status = 0;
    handle_ = make_uv_handle<uv_tcp_t>(
        [&](uv_tcp_t* tcp) { return status = uv_tcp_init_ex(loop_.raw(), tcp, name.ss_family); });
    if (!handle_) return status;
    handle_->data = this;

    status = uv_tcp_bind(handle_.get(), reinterpret_cast<const sockaddr*>(&name),
                         address.address.is_v6() ? UV_TCP_IPV6ONLY : 0);
    if (status != 0) return status;
    status = uv_listen(reinterpret_cast<uv_stream_t*>(handle_.get()), backlog_max,
                       [](uv_stream_t* server, int error) {
                           auto* self = static_cast<TcpListener*>(server->data);
                           if (self != nullptr && error == 0) self->accept();
                       });
    if (status != 0) return status;

    sockaddr_storage bound{};
    int size = sizeof bound;
    status = uv_tcp_getsockname(handle_.get(), reinterpret_cast<sockaddr*>(&bound), &size);
    address_ = from_sockaddr(bound);
    return status;
}

void TcpListener::accept() {
    auto client =
        make_uv_handle<uv_tcp_t>([this](uv_tcp_t* tcp) { return uv_tcp_init(loop_.raw(), tcp); });
    if (!client) return;
    const int status = uv_accept(reinterpret_cast<uv_stream_t*>(handle_.get()),
                                 reinterpret_cast<uv_stream_t*>(client.get()));
    if (status != 0) return;
    on_connection_(std::make_unique<TcpStream>(loop_, std::move(client)));
}

}  // namespace mta::io
