#include "mta/http/server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <utility>

namespace mta::http {
namespace {

constexpr std::size_t connection_memory_bytes = 32u << 10;

// A request whose body is still arriving.
struct Exchange {
    std::string body;
    bool is_too_large = false;
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

// Blocks all signals for as long as it lives: threads that are started meanwhile leave signals to
// the main thread.
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
    ListeningSocket listening;
    std::string path;  // also after the file has been removed
    Handler handler;
    Failure failure;
    MHD_Daemon* daemon = nullptr;

    [[nodiscard]] bool start(unsigned threads) {
        const SignalBlock block;
        const auto socket = listening.release();
        // A server that is full does not watch its listening socket. Without ITC it would not
        // notice that it is to stop.
        daemon = MHD_start_daemon(
            MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC, 0, nullptr, nullptr, &Impl::on_request,
            this, MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_THREAD_POOL_SIZE,
            threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_LIMIT, connections_max,
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
            // Nothing in a handler should throw, but a library may. Its text may hold anything, so
            // clients do not get it.
            return failure(500, "the relay could not answer; its log may say why");
        }
    }

    // The parameters are libmicrohttpd's. NOLINTNEXTLINE(readability-function-size)
    static MHD_Result on_request(void* impl, MHD_Connection* connection, const char* url,
                                 const char* method, const char* /*version*/, const char* data,
                                 std::size_t* data_bytes, void** state) {
        if (*state == nullptr) {
            *state = std::make_unique<Exchange>().release();
            return MHD_YES;
        }
        const auto& self = *static_cast<Impl*>(impl);
        auto& exchange = *static_cast<Exchange*>(*state);
        if (*data_bytes > 0) {
            exchange.is_too_large |= exchange.body.size() + *data_bytes > request_body_bytes_max;
            if (!exchange.is_too_large) exchange.body.append(data, *data_bytes);
            *data_bytes = 0;
            return MHD_YES;
        }
        if (exchange.is_too_large) {
            return send(connection, self.failure(413, "the request is too big"));
        }
        Request request{.method = method, .path = url, .query = {}, .body = {}};
        request.body = std::move(exchange.body);
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, &request.query);
        return send(connection, self.answer(request));
    }

    static void on_completed(void* /*impl*/, MHD_Connection* /*connection*/, void** state,
                             MHD_RequestTerminationCode /*code*/) {
        const std::unique_ptr<Exchange> ended(static_cast<Exchange*>(*state));
        *state = nullptr;
    }
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::expected<std::unique_ptr<Server>, std::string> Server::start(ListeningSocket socket,
                                                                  Handler handler,
                                                                  const Options& options) {
    auto path = socket.path();
    auto impl = std::make_unique<Impl>(
        Impl{std::move(socket), std::move(path), std::move(handler), options.failure});
    if (!impl->start(options.threads)) {
        return std::unexpected(impl->listening.setting() +
                               (options.threads > 1 ? ": cannot start the server's threads"
                                                    : ": cannot start the server's thread"));
    }
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::~Server() {
    impl_->listening.remove_file();
    MHD_stop_daemon(impl_->daemon);  // closes the socket, waits for calls
}

const std::string& Server::socket_path() const { return impl_->path; }
std::uint16_t Server::port() const { return impl_->listening.port(); }

}  // namespace mta::http
