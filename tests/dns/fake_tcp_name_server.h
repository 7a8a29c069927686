#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/ip_address.h"
#include "mta/io/loop.h"
#include "mta/io/poll.h"
#include "tests/dns/fake_name_server.h"
#include "tests/dns/message_builder.h"

namespace dns::test {

// The TCP side of a name server on 127.0.0.1. It runs on the test's loop and calls `on_query` for
// each question.
class FakeTcpNameServer {
public:
    using Query = FakeNameServer::Query;

    // One connection. It stays open until close() or until the client closes it.
    class Connection {
    public:
        // The client may have closed the connection already.
        void send(std::string_view message) const {
            std::string bytes;
            put_u16(bytes, static_cast<unsigned>(message.size()));
            bytes += message;
            const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            MTA_ASSERT(sent >= 0 || errno == EPIPE || errno == ECONNRESET);
        }
        // Queries that have arrived but were not read are not answered.
        void close() {
            ::shutdown(socket_, SHUT_RDWR);
            poll_.watch(false, false);
            is_open_ = false;
        }
        [[nodiscard]] bool is_open() const { return is_open_; }

        // For the server only.
        Connection(FakeTcpNameServer& server, mta::io::Loop& loop, int socket)
            : server_(server),
              socket_(socket),
              poll_(loop, socket_, [this](bool, bool, int) { receive(); }) {
            poll_.watch(true, false);
        }
        Connection(const Connection&) = delete;
        Connection& operator=(const Connection&) = delete;

    private:
        void receive() {
            std::array<char, 4096> buffer;
            const auto bytes = recv(socket_, buffer.data(), buffer.size(), 0);
            if (bytes <= 0) return close();
            input_.append(buffer.data(), static_cast<std::size_t>(bytes));
            const auto byte = [this](std::size_t at) {
                return std::size_t{static_cast<unsigned char>(input_.at(at))};
            };
            while (is_open_ && input_.size() >= 2) {
                const auto size = byte(0) << 8 | byte(1);
                if (input_.size() < 2 + size) return;
                Query query;
                FakeNameServer::parse(std::string_view(input_).substr(2, size), query);
                input_.erase(0, 2 + size);
                server_.on_query_(*this, query);
            }
        }

        FakeTcpNameServer& server_;
        Socket socket_;  // outlives the Poll
        mta::io::Poll poll_;
        std::string input_;
        bool is_open_ = true;
    };
    using OnQuery = std::function<void(Connection&, const Query&)>;

    FakeTcpNameServer(mta::io::Loop& loop, const mta::Endpoint& endpoint, OnQuery on_query)
        : loop_(loop),
          on_query_(std::move(on_query)),
          socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
          poll_(loop, socket_, [this](bool, bool, int) { accept(); }) {
        const int yes = 1;
        setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        MTA_ASSERT(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        MTA_ASSERT(listen(socket_, 128) == 0);
        poll_.watch(true, false);
    }
    FakeTcpNameServer(const FakeTcpNameServer&) = delete;
    FakeTcpNameServer& operator=(const FakeTcpNameServer&) = delete;

    [[nodiscard]] std::size_t connections() const { return connections_.size(); }  // so far
    [[nodiscard]] std::size_t open_most() const { return open_most_; }  // at the same time

private:
    void accept() {
        while (true) {
            const int socket = accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (socket < 0) return;
            connections_.emplace_back(*this, loop_, socket);
            open_most_ =
                std::max(open_most_, static_cast<std::size_t>(std::ranges::count_if(
                                         connections_, [](const auto& c) { return c.is_open(); })));
        }
    }

    mta::io::Loop& loop_;
    OnQuery on_query_;
    Socket socket_;  // outlives the Poll
    mta::io::Poll poll_;
    std::list<Connection> connections_;
    std::size_t open_most_ = 0;
};

}  // namespace dns::test
