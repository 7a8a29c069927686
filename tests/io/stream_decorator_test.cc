// A stream that is replaced in the middle of its session: by a decorator on top of it.
#include "mta/io/stream_decorator.h"

#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "mta/io/socket_address.h"
#include "mta/io/tcp_connector.h"
#include "mta/io/tcp_listener.h"
#include "mta/io/tcp_stream.h"
#include "mta/io/timer.h"
#include "tests/support/fake_stream.h"

namespace mta::io {
namespace {

using namespace std::chrono_literals;

std::string masked(std::string_view bytes) {
    std::string out(bytes);
    for (char& c : out) c = static_cast<char>(c ^ 0x55);
    return out;
}

// Changes the protocol as TLS does, as simply as can be.
class MaskingStream final : public StreamDecorator {
public:
    using StreamDecorator::StreamDecorator;

    void start(Handlers handlers) override {
        handlers.on_read = [next = std::move(handlers.on_read)](std::string_view bytes) mutable {
            next(masked(bytes));
        };
        below().start(std::move(handlers));
    }
    void write(std::string bytes) override { below().write(masked(bytes)); }
};

// The driver of a stream, as a connection is: it keeps what it reads, and masks the stream when it
// has read "go".
struct Driver {
    std::unique_ptr<ByteStream> stream;
    std::string read;
    std::string refused;  // what came with "go", behind it
    std::optional<std::string> closed;
    int drained = 0;
    bool is_masked = false;

    ByteStream::Handlers handlers() {
        return {.on_read = [this](std::string_view bytes) { take(bytes); },
                .on_drained = [this] { ++drained; },
                .on_closed = [this](std::string_view reason) { closed = std::string(reason); }};
    }
    void start() { stream->start(handlers()); }
    void mask() {
        is_masked = true;
        stream = std::make_unique<MaskingStream>(std::move(stream));
        start();
    }
    void take(std::string_view bytes) {
        read += bytes;
        const auto go = read.find("go");
        if (is_masked || go == std::string::npos) return;
        mask();
        refused = read.substr(go + 2);
        read.clear();
    }
};

TEST(StreamDecorator, takes_a_stream_over_inside_a_callback) {
    FakePeer peer;
    Driver driver{std::make_unique<FakeStream>(peer, Endpoint{})};
    driver.start();
    driver.stream->write("plain");
    peer.say("g");
    EXPECT_EQ(driver.read, "g");
    peer.say("o and more");
    EXPECT_EQ(driver.refused, " and more") << "in plain text: not for the new protocol";
    EXPECT_EQ(peer.take_heard(), "plain");
    driver.stream->write("secret");
    EXPECT_EQ(peer.take_heard(), masked("secret"));
    peer.say(masked("answer"));
    EXPECT_EQ(driver.read, "answer");
    peer.drain();
    EXPECT_EQ(driver.drained, 1);
    peer.hang_up("reset");
    EXPECT_EQ(driver.closed, "reset");
}

TEST(StreamDecorator, passes_everything_on) {
    FakePeer peer;
    const auto remote = *parse_endpoint("192.0.2.1:25");
    StreamDecorator stream(std::make_unique<FakeStream>(peer, remote));
    stream.start({.on_read = [](auto) {}, .on_drained = [] {}, .on_closed = [](auto) {}});
    peer.backlog_bytes = 7;
    EXPECT_EQ(stream.backlog_bytes(), 7u);
    EXPECT_EQ(stream.remote(), remote);
    EXPECT_EQ(stream.local().port, 25);
    stream.pause_reading();
    EXPECT_TRUE(peer.is_paused);
    stream.resume_reading();
    EXPECT_FALSE(peer.is_paused);
    stream.finish();
    EXPECT_TRUE(peer.is_finished);
    stream.abort();
    EXPECT_TRUE(peer.is_gone);
}

// The same over TCP on loopback.
class ReplacedTcpStream : public testing::Test {
protected:
    ReplacedTcpStream() {
        auto opened = TcpListener::open(
            loop_, *parse_endpoint("127.0.0.1:0"),
            [this](std::unique_ptr<TcpStream> stream) { server_.stream = std::move(stream); });
        EXPECT_TRUE(opened);
        listener_ = std::move(*opened);
        connector_.connect(listener_->address(), std::nullopt,
                           [this](auto stream) { client_.stream = std::move(*stream); });
        run_until([&] { return client_.stream && server_.stream; });
        client_.start();
        server_.start();
    }
    ~ReplacedTcpStream() override {
        client_.stream.reset();
        server_.stream.reset();
        listener_.reset();
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
    Driver client_;
    Driver server_;
};

TEST_F(ReplacedTcpStream, speaks_the_new_protocol_from_the_next_byte_on) {
    client_.stream->write("hello, go");
    run_until([&] { return server_.is_masked; });
    server_.stream->write("answer");
    client_.mask();
    client_.stream->write("question");
    run_until([&] { return client_.read == "answer" && server_.read == "question"; });
    EXPECT_EQ(server_.refused, "");
}

TEST_F(ReplacedTcpStream, what_was_read_before_is_not_read_again) {
    client_.stream->write("go" + masked("injected"));
    run_until([&] { return server_.is_masked; });
    EXPECT_EQ(server_.refused, masked("injected"));
    client_.stream->write(masked("later"));
    run_until([&] { return !server_.read.empty(); });
    EXPECT_EQ(server_.read, "later");
}

TEST_F(ReplacedTcpStream, what_was_written_before_leaves_first_and_as_it_was) {
    server_.is_masked = true;  // it only reads
    server_.stream->pause_reading();
    const std::string much(4'000'000, 'x');
    client_.stream->write(much);
    run_until([&] { return client_.stream->backlog_bytes() > 0; });
    client_.mask();
    EXPECT_GT(client_.stream->backlog_bytes(), 0u);
    client_.stream->write("behind");
    server_.stream->resume_reading();
    run_until([&] { return server_.read.size() == much.size() + 6 && client_.drained > 0; });
    EXPECT_TRUE(server_.read == much + masked("behind"));
}

TEST_F(ReplacedTcpStream, loses_no_byte_wherever_it_is_replaced) {
    server_.is_masked = true;  // it never asks to be
    std::string expected;
    for (int i = 0; i < 300; ++i) {
        const auto piece = std::to_string(i) + std::string(static_cast<std::size_t>(i * 7), 'x');
        expected += piece;
        client_.stream->write(piece);
        if (i % 50 == 10) {
            server_.stream = std::make_unique<StreamDecorator>(std::move(server_.stream));
            server_.start();
        }
        loop_.run_ready();
    }
    run_until([&] { return server_.read.size() == expected.size(); });
    EXPECT_TRUE(server_.read == expected);
}

TEST_F(ReplacedTcpStream, stays_paused) {
    server_.stream->pause_reading();
    server_.mask();
    client_.stream->write(masked("later"));
    Timer timer(loop_, [&] { loop_.stop(); });
    timer.set(20ms);
    loop_.run();
    EXPECT_EQ(server_.read, "");
    server_.stream->resume_reading();
    run_until([&] { return server_.read == "later"; });
}

TEST_F(ReplacedTcpStream, a_loss_that_is_still_to_be_reported_reaches_the_new_handlers) {
    server_.stream->pause_reading();
    client_.stream->pause_reading();
    client_.stream->write("never read");
    loop_.run_ready();
    server_.stream->abort();  // with unread input: the kernel resets
    bool has_old_closed = false;
    client_.stream->start({.on_read = [](auto) {},
                           .on_drained = [] {},
                           .on_closed = [&](auto) { has_old_closed = true; }});
    loop_.run_ready();
    client_.stream->write("in vain");  // fails at the end of this turn, and is reported in the next
    loop_.at_turn_end([&] { client_.start(); });
    run_until([&] { return client_.closed || has_old_closed; });
    EXPECT_FALSE(has_old_closed);
    EXPECT_TRUE(client_.closed.has_value());
}

}  // namespace
}  // namespace mta::io
