#include "mta/http/server.h"

#include <grp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace mta::admin {
namespace {

namespace fs = std::filesystem;

constexpr int backlog = 64;
constexpr unsigned threads = 2;
constexpr std::size_t connection_memory_bytes = 32u << 10;

std::string reason_of(int error_number) { return std::generic_category().message(error_number); }

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

// The path as the system wants it; nothing: too long for it.
std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}
const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// Makes room at the path: a socket file that nobody listens on is removed. The error is a sentence.
std::expected<void, std::string> clear_stale_socket(const std::string& path,
                                                    const sockaddr_un& address) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return {};  // bind() will say what is wrong, if anything
    if (!S_ISSOCK(info.st_mode)) {
        return std::unexpected("admin.socket: " + path +
                               " exists and is no socket; move it away or choose another path");
    }
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // EAGAIN: it listens, and is too busy to accept.
    if (probe.get() >= 0 &&
        (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN)) {
        return std::unexpected("admin.socket: another relay is running and listens on " + path);
    }
    if (errno != ECONNREFUSED) {
        return std::unexpected("admin.socket: cannot tell whether somebody listens on " + path +
                               ": " + reason_of(errno));
    }
    if (::unlink(path.c_str()) != 0) {
        return std::unexpected("admin.socket: cannot remove the old socket " + path + ": " +
                               reason_of(errno));
    }
    return {};
}

std::string bind_problem(const std::string& path, int error_number) {
    const auto folder = fs::path(path).parent_path().string();
    if (error_number == ENOENT) {
        return "admin.socket: the folder " + folder +
               " does not exist; create it (systemd does with RuntimeDirectory=posthouse)";
    }
    if (error_number == EACCES || error_number == EROFS) {
        return "admin.socket: no permission to create " + path + " (" + reason_of(error_number) +
               "); the folder must belong to the user that the relay runs as";
    }
    return "admin.socket: cannot create " + path + ": " + reason_of(error_number);
}

// The error is a sentence.
std::expected<void, std::string> let_in(const std::string& path, const SocketAccess& access) {
    if (!access.group.empty()) {
        constexpr std::size_t buffer_bytes = 16u << 10;
        std::vector<char> buffer(buffer_bytes);
        group entry{};
        group* found = nullptr;
        if (::getgrnam_r(access.group.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
            found == nullptr) {
            return std::unexpected("admin.socket_group: there is no group \"" + access.group + '"');
        }
        if (::chown(path.c_str(), static_cast<uid_t>(-1), entry.gr_gid) != 0) {
            return std::unexpected("admin.socket_group: cannot give " + path + " to the group \"" +
                                   access.group + "\" (" + reason_of(errno) +
                                   "); the relay's user must be a member of it");
        }
    }
    if (::chmod(path.c_str(), access.mode) != 0)
        return std::unexpected("admin.socket: " + path + ": " + reason_of(errno));
    return {};
}

std::expected<int, std::string> open_socket(const std::string& path, const SocketAccess& access) {
    const auto address = address_of(path);
    if (!address) {
        return std::unexpected("admin.socket: the path must have 1 to 107 bytes: " + path);
    }
    if (auto cleared = clear_stale_socket(path, *address); !cleared) {
        return std::unexpected(cleared.error());
    }
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0) return std::unexpected("admin.socket: " + reason_of(errno));
    if (::bind(socket.get(), generic(*address), sizeof *address) != 0) {
        return std::unexpected(bind_problem(path, errno));
    }
    // Nobody can connect before listen(), so nobody slips in before the mode is right.
    auto ready = let_in(path, access);
    if (ready && ::listen(socket.get(), backlog) != 0)
        ready = std::unexpected("admin.socket: " + path + ": " + reason_of(errno));
    if (!ready) {
        ::unlink(path.c_str());
        return std::unexpected(std::move(ready).error());
    }
    return socket.release();
}

struct TcpAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};
TcpAddress tcp_address_of(const Endpoint& endpoint) {
    TcpAddress address;
    const auto& bytes = endpoint.address.bytes();
    if (!endpoint.address.is_v6()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
        address.size = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
        address.size = sizeof v6;
    }
    return address;
}

std::expected<int, std::string> open_tcp(const Endpoint& endpoint) {
    const auto address = tcp_address_of(endpoint);
    const auto failed = [&](const char* what) {
        return std::unexpected("admin.metrics: cannot " + std::string(what) + ' ' +
                               to_string(endpoint) + ": " + reason_of(errno));
    };
    Descriptor socket(
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0) return failed("make a socket for");
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) !=
            0 ||
        ::listen(socket.get(), backlog) != 0) {
        return failed("listen on");
    }
    return socket.release();
}

std::uint16_t port_of(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size);
    return ntohs(storage.ss_family == AF_INET6
                     ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

// A request while it comes in.
struct Exchange {
    std::string body;
    bool is_too_big = false;
};

MHD_Result take_argument(void* query, MHD_ValueKind, const char* name, const char* value) {
    (*static_cast<std::map<std::string, std::string>*>(query))[name] = value ? value : "";
    return MHD_YES;
}

MHD_Result send(MHD_Connection* connection, const Response& response) {
    auto* const out = MHD_create_response_from_buffer(
        response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
    if (out == nullptr) return MHD_NO;
    MHD_add_response_header(out, "Content-Type", response.content_type.c_str());
    MHD_add_response_header(out, "Cache-Control", "no-store");
    const auto result = MHD_queue_response(connection, response.status, out);
    MHD_destroy_response(out);
    return result;
}

// Blocks all signals for a while: threads started meanwhile leave them to the main thread.
class SignalBlock {
public:
    SignalBlock() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalBlock(const SignalBlock&) = delete;
    SignalBlock& operator=(const SignalBlock&) = delete;
    ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

}  // namespace

struct Server::Impl {
    std::string path;
    std::uint16_t port = 0;
    Handler handler;
    MHD_Daemon* daemon = nullptr;

    // The socket is the server's from now on, or closed.
    [[nodiscard]] bool start(int socket, unsigned thread_count) {
        const SignalBlock block;
        // A full server does not watch its listening socket: without ITC it would not notice a
        // stop.
        daemon = MHD_start_daemon(
            MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC, 0, nullptr, nullptr, &Impl::on_request,
            this, MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_THREAD_POOL_SIZE,
            thread_count > 1 ? thread_count : 0, MHD_OPTION_CONNECTION_LIMIT, connections_max,
            MHD_OPTION_CONNECTION_TIMEOUT, connection_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            connection_memory_bytes, MHD_OPTION_NOTIFY_COMPLETED, &Impl::on_completed, nullptr,
            MHD_OPTION_END);
        if (daemon == nullptr) ::close(socket);
        return daemon != nullptr;
    }

    [[nodiscard]] Response answer(const Request& request) const {
        try {
            return handler(request);
        } catch (const std::exception&) {
            // Nothing in the handler should throw; a library may. The text is not trusted in JSON.
            return {500, R"({"error": "the relay could not answer; its log may say why"})"};
        }
    }

    // The parameters are libmicrohttpd's. NOLINTNEXTLINE(readability-function-size)
    static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                                 const char* method, const char* /*version*/, const char* data,
                                 std::size_t* data_bytes, void** state) {
        if (*state == nullptr) {
            *state = std::make_unique<Exchange>().release();
            return MHD_YES;
        }
        auto& exchange = *static_cast<Exchange*>(*state);
        if (*data_bytes > 0) {
            exchange.is_too_big |= exchange.body.size() + *data_bytes > request_body_bytes_max;
            if (!exchange.is_too_big) exchange.body.append(data, *data_bytes);
            *data_bytes = 0;
            return MHD_YES;
        }
        if (exchange.is_too_big) {
            return send(connection, {413, R"({"error": "the request is too big"})"});
        }
        Request request{.method = method, .path = url, .query = {}, .body = {}};
        request.body = std::move(exchange.body);
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, &request.query);
        return send(connection, static_cast<Impl*>(self)->answer(request));
    }

    static void on_completed(void* /*self*/, MHD_Connection* /*connection*/, void** state,
                             MHD_RequestTerminationCode /*code*/) {
        const std::unique_ptr<Exchange> ended(static_cast<Exchange*>(*state));
        *state = nullptr;
    }
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::expected<std::unique_ptr<Server>, std::string> Server::listen(const std::string& socket_path,
                                                                   Handler handler,
                                                                   const SocketAccess& access) {
    auto socket = open_socket(socket_path, access);
    if (!socket) return std::unexpected(socket.error());
    auto impl = std::make_unique<Impl>();
    impl->path = socket_path;
    impl->handler = std::move(handler);
    if (!impl->start(*socket, threads)) {
        ::unlink(socket_path.c_str());
        return std::unexpected("admin.socket: cannot start the server's threads");
    }
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::expected<std::unique_ptr<Server>, std::string> Server::listen(const Endpoint& address,
                                                                   Handler handler) {
    auto socket = open_tcp(address);
    if (!socket) return std::unexpected(socket.error());
    auto impl = std::make_unique<Impl>();
    impl->port = port_of(*socket);
    impl->handler = std::move(handler);
    if (!impl->start(*socket, 1)) {
        return std::unexpected("admin.metrics: cannot start the server's thread");
    }
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const { return impl_->port; }

Server::~Server() {
    if (!impl_->path.empty()) ::unlink(impl_->path.c_str());
    MHD_stop_daemon(impl_->daemon);  // closes the socket, waits for calls
}

const std::string& Server::socket_path() const { return impl_->path; }

}  // namespace mta::admin
