#include "mta/io/tcp_connector.h"

#include "mta/io/socket_address.h"
#include "mta/io/tcp_stream.h"

namespace mta::io {
namespace {

// libuv uses it until its callback has come, which may be after the connector's end.
struct Request {
    uv_connect_t request{};
    TcpConnector* connector = nullptr;
    Connector::ConnectId id = 0;
    std::weak_ptr<bool> is_connector_alive;
};

}  // namespace

struct TcpConnector::Attempt {
    UvHandle<uv_tcp_t> handle;
    OnConnected on_connected;
    std::string refused_source;  // the address that the system refuses to connect from
};

TcpConnector::TcpConnector(Loop& loop) : loop_(loop) {}
TcpConnector::~TcpConnector() = default;

Connector::ConnectId TcpConnector::connect(const Endpoint& remote,
                                           const std::optional<IpAddress>& source,
                                           OnConnected on_connected) {
    const auto id = ++last_id_;
    auto& attempt = *attempts_.emplace(id, std::make_unique<Attempt>()).first->second;
    attempt.on_connected = std::move(on_connected);
    if (const int status = begin(attempt, remote, source); status != 0) {
        loop_.at_turn_end([this, id, status, alive = std::weak_ptr(is_alive_)] {
            if (!alive.expired()) end(id, status);
        });
    }
    return id;
}

int TcpConnector::begin(Attempt& attempt, const Endpoint& remote,
                        const std::optional<IpAddress>& source) {
    const auto to = to_sockaddr(remote);
    int status = 0;
    attempt.handle = make_uv_handle<uv_tcp_t>(
        [&](uv_tcp_t* tcp) { return status = uv_tcp_init_ex(loop_.raw(), tcp, to.ss_family); });
    if (!attempt.handle) return status;
    if (source) {
        uv_os_fd_t socket = -1;
        const int yes = 1;
        uv_fileno(reinterpret_cast<uv_handle_t*>(attempt.handle.get()), &socket);
        // The system chooses the port at connect, by the pair of addresses: that makes 28,000
        // connections possible to each host and not only in all.
        setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        const auto from = to_sockaddr({*source, 0});
        status = uv_tcp_bind(attempt.handle.get(), reinterpret_cast<const sockaddr*>(&from), 0);
        if (status != 0) {
            attempt.refused_source = source->to_string();
            return status;
        }
    }
    auto request = std::make_unique<Request>();
    request->connector = this;
    request->id = last_id_;
    request->is_connector_alive = is_alive_;
    request->request.data = request.get();
    status =
        uv_tcp_connect(&request->request, attempt.handle.get(),
                       reinterpret_cast<const sockaddr*>(&to), [](uv_connect_t* done, int error) {
                           const std::unique_ptr<Request> owned(static_cast<Request*>(done->data));
                           if (owned->is_connector_alive.expired()) return;
                           owned->connector->end(owned->id, error);
                       });
    if (status == 0)
        static_cast<void>(request.release());  // freed by the callback, which always comes
    return status;
}

void TcpConnector::cancel(ConnectId id) { attempts_.erase(id); }

void TcpConnector::end(ConnectId id, int status) {
    const auto found = attempts_.find(id);
    if (found == attempts_.end()) return;  // cancelled
    const auto attempt = std::move(found->second);
    attempts_.erase(found);
    if (!attempt->refused_source.empty()) {
        return attempt->on_connected(std::unexpected(ConnectError{
            "this machine cannot send from " + attempt->refused_source + ": " + uv_strerror(status),
            true}));
    }
    if (status != 0)
        return attempt->on_connected(std::unexpected(ConnectError{uv_strerror(status)}));
    attempt->on_connected(std::make_unique<TcpStream>(loop_, std::move(attempt->handle)));
}

}  // namespace mta::io
