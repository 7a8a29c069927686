#include "mta/io/tcp_stream.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "mta/io/socket_address.h"
#include "mta/io/tcp_connector.h"
#include "mta/io/tcp_listener.h"
#include "mta/io/timer.h"

namespace mta::io {
namespace {
using namespace std::chrono_literals;

// A connection to ourselves: both ends, what each has read, and how each ended.
class TcpPair : public testing::Test {
protected:
    struct End {
        std::unique_ptr<ByteStream> stream;
        std::string read;
        std::optional<std::string> closed;
        int drained = 0;
    };

    TcpPair() {
        auto opened = TcpListener::open(
            loop_, *parse_endpoint("127.0.0.1:0"),
            [this](std::unique_ptr<TcpStream> stream) { server_.stream = std::move(stream); });
        EXPECT_TRUE(opened);
        listener_ = std::move(*opened);
        connector_.connect(listener_->address(), std::nullopt,
                           [this](auto stream) { client_.stream = std::move(*stream); });
        run_until([&] { return client_.stream && server_.stream; });
    }
    ~TcpPair() override {
        client_.stream.reset();
        server_.stream.reset();
        listener_.reset();
    }

    static void start(End& end) {
        end.stream->start({.on_read = [&end](std::string_view bytes) { end.read += bytes; },
                           .on_drained = [&end] { ++end.drained; },
                           .on_closed =
                               [&end](std::string_view reason) {
                                   EXPECT_FALSE(end.closed) << "closed twice";
                                   end.closed = std::string(reason);
                               }});
    }
    void run_until(const std::function<bool()>& condition) {
        bool is_late = false;
        Timer deadline(loop_, [&] { is_late = true; });
        deadline.set(10s);
        while (!condition() && !is_late) uv_run(loop_.raw(), UV_RUN_ONCE);
        EXPECT_FALSE(is_late) << "waited in vain";
    }

    Loop loop_;
    TcpConnector connector_{loop_};
    std::unique_ptr<TcpListener> listener_;
    End client_;
    End server_;
};

TEST_F(TcpPair, carries_bytes_both_ways_and_knows_its_addresses) {
    start(client_);
    start(server_);
    EXPECT_EQ(client_.stream->remote(), listener_->address());
    EXPECT_EQ(client_.stream->local(), server_.stream->remote());
    client_.stream->write("he");
    client_.stream->write("llo");
    server_.stream->write("220 hi\r\n");
    run_until([&] { return server_.read == "hello" && client_.read == "220 hi\r\n"; });
}

TEST_F(TcpPair, keeps_order_and_content_when_the_kernel_takes_less_than_all) {
    start(client_);
    start(server_);
    server_.stream->pause_reading();
    std::string expected;
    for (int i = 0; i < 3000; ++i) {
        const auto piece = std::to_string(i) + std::string(static_cast<std::size_t>(i % 5000), 'x');
        expected += piece;
        client_.stream->write(piece);
        if (i % 100 == 0) loop_.run_ready();
    }
    run_until([&] { return client_.stream->backlog_bytes() > 0; });
    EXPECT_EQ(client_.drained, 0);
    server_.stream->resume_reading();
    run_until([&] { return server_.read.size() == expected.size() && client_.drained > 0; });
    EXPECT_TRUE(server_.read == expected) << "bytes came out of order";
    EXPECT_EQ(client_.stream->backlog_bytes(), 0u);
}

// A writer that stops when too much is queued goes on when it is told that this has left. It must
// be told even if the kernel took all of it in the call that queued it.
TEST_F(TcpPair, tells_that_much_has_left_even_if_the_kernel_takes_all_of_it_at_once) {
    start(client_);
    start(server_);
    const std::string much(limits::stream_backlog_bytes_max, 'x');
    client_.stream->write(much);
    EXPECT_EQ(client_.stream->backlog_bytes(), much.size());
    run_until([&] { return server_.read.size() == much.size(); });
    run_until([&] { return client_.drained == 1; });
    EXPECT_EQ(client_.stream->backlog_bytes(), 0u);
}

TEST_F(TcpPair, reads_nothing_while_paused) {
    start(client_);
    start(server_);
    server_.stream->pause_reading();
    client_.stream->write("later");
    Timer timer(loop_, [&] { loop_.stop(); });
    timer.set(20ms);
    loop_.run();
    EXPECT_EQ(server_.read, "");
    server_.stream->resume_reading();
    run_until([&] { return server_.read == "later"; });
}

TEST_F(TcpPair, finish_gets_the_last_words_to_a_peer_that_is_still_talking) {
    start(client_);
    start(server_);
    client_.stream->write(std::string(500'000, 'x'));
    server_.stream->write("554 5.5.0 no\r\n");
    server_.stream->finish();
    server_.stream.reset();  // the linger does not need the stream
    run_until([&] { return client_.closed.has_value(); });
    EXPECT_EQ(client_.read, "554 5.5.0 no\r\n");
    EXPECT_EQ(*client_.closed, "");
}

TEST_F(TcpPair, may_answer_after_the_end_of_the_input) {
    start(client_);
    bool has_ended = false;
    std::string heard;
    server_.stream->start({.on_read = [&](std::string_view bytes) { heard += bytes; },
                           .on_drained = [] {},
                           .on_closed = [](auto) { ADD_FAILURE() << "it was not closed"; },
                           .on_input_end =
                               [&] {
                                   EXPECT_FALSE(has_ended) << "twice";
                                   has_ended = true;
                               }});
    client_.stream->write("question");
    client_.stream->finish();  // reads no more, but goes on taking what comes
    run_until([&] { return has_ended; });
    EXPECT_EQ(heard, "question");
    server_.stream->pause_reading();
    server_.stream->resume_reading();
    server_.stream->write("answer");
    loop_.run_ready();
    EXPECT_EQ(server_.stream->backlog_bytes(), 0u);
}

TEST(TcpStream, gets_all_out_to_a_peer_that_has_ended_its_input) {
    const int peer = ::socket(AF_INET, SOCK_STREAM, 0);
    const std::string answer(4'000'000, 'y');
    std::string heard;
    Loop loop;
    std::unique_ptr<ByteStream> server;
    auto listener = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), [&](auto stream) {
        server = std::move(stream);
        server->start({.on_read = [](auto) {},
                       .on_drained = [] {},
                       .on_closed = [](auto) {},
                       .on_input_end =
                           [&] {
                               server->write(answer);
                               server->finish();
                           }});
    });
    const auto name = to_sockaddr((*listener)->address());
    ASSERT_EQ(::connect(peer, reinterpret_cast<const sockaddr*>(&name), sizeof(sockaddr_in)), 0);
    ASSERT_EQ(::shutdown(peer, SHUT_WR), 0);
    std::array<char, 65536> buffer{};
    bool is_open = true;
    for (int turns = 0; is_open && turns < 100'000; ++turns) {
        loop.run_ready();
        const auto count = ::recv(peer, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count > 0) heard.append(buffer.data(), static_cast<std::size_t>(count));
        is_open = count != 0;
    }
    ::close(peer);
    EXPECT_FALSE(is_open) << "it was never closed";
    EXPECT_EQ(heard.size(), answer.size());
    server.reset();
    listener->reset();
    loop.run_ready();
}

TEST(TcpStream, still_gets_its_last_words_out_when_its_loop_ends) {
    const int peer = ::socket(AF_INET, SOCK_STREAM, 0);
    {
        Loop loop;
        std::unique_ptr<ByteStream> server;
        auto listener = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), [&](auto stream) {
            server = std::move(stream);
            loop.stop();
        });
        const auto name = to_sockaddr((*listener)->address());
        ASSERT_EQ(::connect(peer, reinterpret_cast<const sockaddr*>(&name), sizeof(sockaddr_in)),
                  0);
        ASSERT_EQ(::shutdown(peer, SHUT_WR), 0);
        loop.run();
        server->start({.on_read = [](auto) {}, .on_drained = [] {}, .on_closed = [](auto) {}});
        server->write("421 4.3.2 bye\r\n");
        server->finish();
        server.reset();
        listener->reset();
    }
    char heard[64];
    const auto count = ::read(peer, heard, sizeof heard);
    ::close(peer);
    ASSERT_GT(count, 0);
    EXPECT_EQ(std::string(heard, static_cast<std::size_t>(count)), "421 4.3.2 bye\r\n");
}

TEST_F(TcpPair, tells_an_orderly_end_from_a_reset) {
    start(client_);
    start(server_);
    client_.stream->write("x");
    run_until([&] { return server_.read == "x"; });
    server_.stream->write("unread");
    client_.stream->pause_reading();
    Timer timer(loop_, [&] { loop_.stop(); });
    timer.set(20ms);
    loop_.run();
    client_.stream->abort();  // with unread input: the kernel resets
    client_.stream.reset();
    run_until([&] { return server_.closed.has_value(); });
    EXPECT_EQ(*server_.closed, "connection reset by peer");
}

TEST_F(TcpPair, no_callback_comes_after_abort) {
    start(client_);
    start(server_);
    server_.stream->abort();
    run_until([&] { return client_.closed.has_value(); });
    EXPECT_FALSE(server_.closed);
    client_.stream->write("to nobody");
    loop_.run_ready();
}

TEST_F(TcpPair, may_be_aborted_from_its_own_read_callback) {
    start(client_);
    int reads = 0;
    server_.stream->start({.on_read =
                               [&](std::string_view) {
                                   ++reads;
                                   server_.stream->abort();
                               },
                           .on_drained = [] {},
                           .on_closed = [](std::string_view) { ADD_FAILURE(); }});
    client_.stream->write("a");
    run_until([&] { return client_.closed.has_value(); });
    EXPECT_EQ(reads, 1);
}

TEST_F(TcpPair, destruction_with_a_backlog_leaks_nothing) {
    start(client_);
    start(server_);
    server_.stream->pause_reading();
    while (client_.stream->backlog_bytes() == 0) {
        client_.stream->write(std::string(1 << 20, 'x'));
        loop_.run_ready();
    }
    client_.stream.reset();
}

TEST(TcpConnector, says_in_words_why_a_connection_failed) {
    Loop loop;
    TcpConnector connector(loop);
    Endpoint nobody;
    {  // a port that was free a moment ago
        auto listener = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), [](auto) {});
        ASSERT_TRUE(listener);
        nobody = (*listener)->address();
    }
    loop.run_ready();
    ConnectError error;
    connector.connect(nobody, std::nullopt, [&](auto result) { error = result.error(); });
    EXPECT_EQ(error.text, "") << "called back inside the call";
    loop.run();
    EXPECT_EQ(error.text, "connection refused");
    EXPECT_FALSE(error.is_of_source);
    // The same from one of our addresses, and from one that we do not have.
    connector.connect(nobody, IpAddress::parse("127.0.0.9"),
                      [&](auto result) { error = result.error(); });
    loop.run();
    EXPECT_FALSE(error.is_of_source);
    connector.connect(nobody, IpAddress::parse("192.0.2.77"),
                      [&](auto result) { error = result.error(); });
    loop.run();
    EXPECT_TRUE(error.is_of_source);
    EXPECT_EQ(error.text, "this machine cannot send from 192.0.2.77: address not available");
}

TEST(TcpConnector, connects_from_the_address_it_is_told) {
    Loop loop;
    TcpConnector connector(loop);
    std::unique_ptr<ByteStream> accepted;
    auto listener = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), [&](auto stream) {
        accepted = std::move(stream);
        loop.stop();
    });
    std::unique_ptr<ByteStream> connected;
    connector.connect((*listener)->address(), IpAddress::parse("127.0.0.9"),
                      [&](auto stream) { connected = std::move(*stream); });
    loop.run();
    ASSERT_TRUE(accepted);
    EXPECT_EQ(accepted->remote().address.to_string(), "127.0.0.9");
    connected.reset();
    accepted.reset();
    listener->reset();
}

TEST(TcpConnector, calls_nobody_after_cancel_or_its_own_end) {
    Loop loop;
    const auto fail = [](auto) { ADD_FAILURE() << "called after the end"; };
    auto listener = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), [](auto) {});
    {
        TcpConnector connector(loop);
        connector.cancel(connector.connect((*listener)->address(), std::nullopt, fail));
        connector.connect((*listener)->address(), std::nullopt, fail);
        connector.connect((*listener)->address(), IpAddress::parse("192.0.2.1"), fail);
    }
    listener->reset();
    loop.run();
}

TEST(TcpListener, says_in_words_why_it_cannot_listen) {
    Loop loop;
    const auto unused = [](auto) {};
    const auto foreign = TcpListener::open(loop, *parse_endpoint("192.0.2.1:2525"), unused);
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error(), "address not available");
}

TEST(TcpListener, does_not_share_its_port_with_a_second_relay) {
    Loop loop;
    const auto unused = [](auto) {};
    const auto first = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), unused);
    ASSERT_TRUE(first);
    const auto second = TcpListener::open(loop, (*first)->address(), unused);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), "address already in use");
}

TEST(TcpListener, on_ipv6_leaves_ipv4_to_others) {
    Loop loop;
    const auto unused = [](auto) {};
    auto six = TcpListener::open(loop, *parse_endpoint("[::]:0"), unused);
    ASSERT_TRUE(six) << six.error();
    const Endpoint four_address{IpAddress{}, (*six)->address().port};
    auto four = TcpListener::open(loop, four_address, unused);
    EXPECT_TRUE(four) << four.error();
}

// A socket that has connected and heard all until the end.
std::string heard_by_a_client_of(Loop& loop, const Endpoint& server, int& socket) {
    socket = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto name = to_sockaddr(server);
    EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof(sockaddr_in)), 0);
    std::string heard;
    std::array<char, 512> buffer{};
    for (int turns = 0; turns < 100'000; ++turns) {
        loop.run_ready();
        const auto count = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count == 0) return heard;
        if (count > 0) heard.append(buffer.data(), static_cast<std::size_t>(count));
    }
    ADD_FAILURE() << "it was not closed";
    return heard;
}

TEST(TcpListener, refuses_in_words_whether_there_is_room_to_linger_or_not) {
    Loop loop;
    loop.lingering().set_max(4);
    auto listener =
        TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"),
                          {.on_connection = [](auto) { ADD_FAILURE() << "it was refused"; },
                           .refusal = [](const Endpoint& remote) -> std::string_view {
                               EXPECT_EQ(remote.address.to_string(), "127.0.0.1");
                               return "421 no\r\n";
                           }});
    ASSERT_TRUE(listener);
    std::vector<int> sockets;
    for (int i = 0; i < 6; ++i) {  // which leave their ends open
        EXPECT_EQ(heard_by_a_client_of(loop, (*listener)->address(), sockets.emplace_back()),
                  "421 no\r\n");
        EXPECT_LE(loop.lingering().count(), 2u) << "half of the places";
    }
    EXPECT_EQ(loop.lingering().count(), 2u);
    for (const int socket : sockets) ::close(socket);
    listener->reset();
}

TEST(TcpStream, ends_at_once_when_too_many_linger) {
    Loop loop;
    loop.lingering().set_max(1);
    auto listener = TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"), [](auto stream) {
        stream->write("bye\r\n");
        stream->finish();
    });
    ASSERT_TRUE(listener);
    std::array<int, 3> sockets{};
    for (int& socket : sockets) {
        EXPECT_EQ(heard_by_a_client_of(loop, (*listener)->address(), socket), "bye\r\n");
        EXPECT_EQ(loop.lingering().count(), 1u);
    }
    for (const int socket : sockets) ::close(socket);
    listener->reset();
    for (int turns = 0; loop.lingering().count() > 0 && turns < 100'000; ++turns) loop.run_ready();
    EXPECT_EQ(loop.lingering().count(), 0u);
}

TEST(TcpListener, pauses_while_there_are_no_descriptors_and_goes_on) {
    Loop loop;
    std::unique_ptr<TcpStream> accepted;
    std::string reason;
    auto listener =
        TcpListener::open(loop, *parse_endpoint("127.0.0.1:0"),
                          {.on_connection = [&](auto stream) { accepted = std::move(stream); },
                           .on_pause = [&](std::string_view why) { reason = why; }});
    ASSERT_TRUE(listener);
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto name = to_sockaddr((*listener)->address());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(client);
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    ASSERT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof(sockaddr_in)), 0);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int turns = 0; reason.empty() && turns < 100'000; ++turns) loop.run_ready();
    EXPECT_EQ(reason, "too many open files");
    EXPECT_FALSE(accepted);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    bool is_late = false;
    Timer deadline(loop, [&] { is_late = true; });
    deadline.set(10s);
    while (!accepted && !is_late) uv_run(loop.raw(), UV_RUN_ONCE);
    EXPECT_TRUE(accepted) << "the client was forgotten";
    accepted.reset();
    listener->reset();
    ::close(client);
}
}  // namespace
}  // namespace mta::io
