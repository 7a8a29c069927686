#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/ip_address.h"

namespace mta::admin {

// A request as the handler sees it. Names and values of the query are decoded; a name given twice
// keeps its last value.
struct Request {
    std::string method;  // "GET", "POST"
    std::string path;    // "/v1/queue", decoded, without the query
    std::map<std::string, std::string> query;
    std::string body;
};
struct Response {
    std::uint32_t status = 200;  // HTTP
    std::string body;
    std::string content_type = "application/json";

    // What was done to the mail, for the log.
    struct Order {
        std::string what;  // "hold domain=them.example"
        std::uint64_t messages = 0;
        std::uint64_t recipients = 0;
    };
    std::optional<Order> order = {};
};

inline constexpr std::size_t request_body_bytes_max = 1u << 20;
inline constexpr std::uint32_t connections_max = 64;
inline constexpr std::uint32_t connection_timeout_s = 30;

// Who may open the socket, and so may do everything.
struct SocketAccess {
    std::uint32_t mode = 0660;  // as of chmod(2)
    std::string group;          // empty: the process's own
};

// HTTP over a Unix socket, for `posthouse queue` and its kin, scripts and monitoring.
//
// Runs in its own two threads, beside the loops. The handler is called on one of them, by several
// connections at once: it must be safe for that, and may wait. It must outlive the server; the
// destructor waits for running calls, removes the socket file and returns.
class Server {
public:
    using Handler = std::function<Response(const Request&)>;

    // Listens. The error is a sentence for the administrator: the folder is missing, no right to
    // write there, another relay listens there. A socket file that nobody listens on any more (the
    // relay was killed) is replaced.
    [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> listen(
        const std::string& socket_path, Handler handler, const SocketAccess& access = {});
    // Over TCP, for metrics alone: anybody on the machine can connect, so the handler must give
    // nothing that not everybody may see. Port 0: any; port() says which.
    [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> listen(
        const Endpoint& address, Handler handler);

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

}  // namespace mta::admin
