#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mta/http/listening_socket.h"
#include "mta/http/request.h"
#include "mta/http/response.h"

namespace mta::http {

inline constexpr std::size_t request_body_bytes_max = 1u << 20;
inline constexpr std::uint32_t connections_max = 64;
inline constexpr std::uint32_t connection_timeout_s = 30;

// An HTTP server on a Unix socket or on a TCP address. It knows nothing of what it serves: a
// handler answers the requests.
//
// It runs on threads of its own, beside the loops. The handler is called on these threads, by
// several connections at once; it must be safe for that, and it may wait. The handler must outlive
// the server. The destructor waits for running calls of it, removes the socket file and returns.
//
// Anyone who can connect reaches the handler: the mode of the Unix socket decides who can. A TCP
// address can be reached by every user of the machine at least.
class Server {
public:
    using Handler = std::function<Response(const Request&)>;
    // Makes the response to a request that the handler does not answer: `text` is a sentence
    // without a full stop, `status` 413 (the body is too large) or 500 (the handler threw).
    using Failure = Response (*)(std::uint32_t status, std::string_view text);

    struct Options {
        unsigned threads = 1;
        Failure failure = [](std::uint32_t status, std::string_view text) {
            return Response{status, std::string(text) + '\n'};
        };
    };

    // The error is a sentence for the administrator.
    [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> start(
        ListeningSocket socket, Handler handler, const Options& options);

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    [[nodiscard]] const std::string& socket_path() const;  // empty: over TCP
    [[nodiscard]] std::uint16_t port() const;              // 0: on a Unix socket

private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace mta::http
