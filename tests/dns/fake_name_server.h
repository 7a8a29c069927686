#pragma once
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/question.h"
#include "mta/base/assert.h"
#include "mta/base/ip_address.h"
#include "mta/io/loop.h"
#include "mta/io/poll.h"

namespace dns::test {

struct Socket {
    explicit Socket(int raw) : number(raw) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { close(number); }
    operator int() const { return number; }  // NOLINT(google-explicit-constructor)
    int number;
};

// A name server on 127.0.0.1, UDP only, that sends what the test decides. It runs on the test's
// loop.
class FakeNameServer {
public:
    struct Query {
        unsigned id = 0;
        Question question;
        bool has_edns = false;
        sockaddr_in peer{};
    };
    using OnQuery = std::function<void(FakeNameServer&, const Query&)>;

    FakeNameServer(mta::io::Loop& loop, OnQuery on_query)
        : on_query_(std::move(on_query)),
          socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
          poll_(loop, socket_, [this](bool, bool, int) { receive(); }) {
        const auto address = bind_where_tcp_is_free();
        const int buffer_bytes = 4 << 20;
        setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
        endpoint_ = {mta::IpAddress::v4({127, 0, 0, 1}), ntohs(address.sin_port)};
        poll_.watch(true, false);
    }
    FakeNameServer(const FakeNameServer&) = delete;
    FakeNameServer& operator=(const FakeNameServer&) = delete;

    // c-ares writes simple queries: without compression, and with at most an OPT record behind the
    // question.
    static void parse(std::string_view bytes, Query& query) {
        const auto byte = [&](std::size_t at) {
            return unsigned{static_cast<unsigned char>(bytes.at(at))};
        };
        query.id = byte(0) << 8 | byte(1);
        query.has_edns = (byte(10) << 8 | byte(11)) == 1;
        query.question.name.clear();
        std::size_t at = 12;
        while (byte(at) != 0) {
            if (!query.question.name.empty()) query.question.name += '.';
            query.question.name += bytes.substr(at + 1, byte(at));
            at += 1 + byte(at);
        }
        query.question.type = static_cast<RecordType>(byte(at + 1) << 8 | byte(at + 2));
    }

    void send(const Query& to, std::string_view datagram) const {
        sendto(socket_, datagram.data(), datagram.size(), 0,
               reinterpret_cast<const sockaddr*>(&to.peer), sizeof to.peer);
    }
    [[nodiscard]] const mta::Endpoint& endpoint() const { return endpoint_; }
    // All queries so far, in order.
    [[nodiscard]] const std::vector<Query>& queries() const { return queries_; }

private:
    // A FakeTcpNameServer may take the same port, on which no connection of another test may
    // linger.
    [[nodiscard]] sockaddr_in bind_where_tcp_is_free() const {
        for (int tries = 0; tries < 20; ++tries) {
            const Socket tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t size = sizeof address;
            auto* const any = reinterpret_cast<sockaddr*>(&address);
            MTA_ASSERT(bind(tcp, any, sizeof address) == 0);
            MTA_ASSERT(getsockname(tcp, any, &size) == 0);
            if (bind(socket_, any, sizeof address) == 0) return address;
        }
        MTA_ASSERT(false);
        return {};
    }

    void receive() {
        std::array<char, 2048> buffer;
        Query query;
        while (true) {
            socklen_t size = sizeof query.peer;
            const auto bytes = recvfrom(socket_, buffer.data(), buffer.size(), 0,
                                        reinterpret_cast<sockaddr*>(&query.peer), &size);
            if (bytes < 12) return;
            parse({buffer.data(), static_cast<std::size_t>(bytes)}, query);
            queries_.push_back(query);
            on_query_(*this, query);
        }
    }
    OnQuery on_query_;
    Socket socket_;  // outlives the Poll
    mta::io::Poll poll_;
    mta::Endpoint endpoint_;
    std::vector<Query> queries_;
};

}  // namespace dns::test
