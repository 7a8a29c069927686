#include "mta/inbound/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>

#include <gtest/gtest.h>

#include "mta/events/log_sink.h"
#include "mta/io/socket_address.h"
#include "tests/support/fake_store.h"

namespace mta::inbound {
namespace {

using namespace std::chrono_literals;

// A client on an address of this machine: 127.0.0.0/24 is our own, 127.0.1.0/24 are strangers.
class TestClient {
public:
    TestClient(const char* address, const Endpoint& server)
        : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const auto from = to_name({*IpAddress::parse(address), 0});
        const auto to = to_name(server);
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&from), sizeof(sockaddr_in)),
                  0);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof(sockaddr_in)),
                  0);
    }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;
    ~TestClient() { ::close(socket_); }

    void say(std::string_view words) {
        EXPECT_EQ(::send(socket_, words.data(), words.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(words.size()));
    }
    // What has come since it was asked last.
    std::string hear() {
        std::array<char, 4096> buffer{};
        const auto count = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        return {buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
    }

private:
    static sockaddr_storage to_name(const Endpoint& endpoint) { return io::to_sockaddr(endpoint); }
    int socket_;
};

class InboundServer : public testing::Test {
protected:
    InboundServer() {
        events_.add([this](Instant at, const auto& event) { log_sink_.write(at, event); });
        auto settings = std::make_shared<conf::Settings>();
        settings->hostname = "relay.office.example";
        settings->relay.networks = {*Network::parse("127.0.0.0/24")};
        settings->inbound.connections_max = 4;
        settings->listeners = {{*parse_endpoint("127.0.0.1:0")}};
        EXPECT_TRUE(server_.configure(std::move(settings)));
    }
    ~InboundServer() override { server_.shutdown(); }

    std::unique_ptr<TestClient> connect(const char* address) {
        return std::make_unique<TestClient>(address, server_.listening_on().front());
    }
    std::string answer_to(TestClient& client) {
        std::string heard;
        run_until([&] { return (heard += client.hear()).ends_with("\r\n"); });
        return heard;
    }
    void run_until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), end) << "waited in vain";
            loop_.run_ready();
        }
    }

    io::Loop loop_;
    io::Clock clock_{loop_};
    std::string logged_;
    Log log_{[this](std::string_view lines) { logged_ += lines; }, true};
    events::LogSink log_sink_{log_};
    events::Dispatcher events_;
    FakeStore store_;
    Server server_{
        {.loop = loop_, .clock = clock_, .events = events_, .intake = {.store = store_}}};
};

TEST_F(InboundServer, gives_half_of_all_to_one_address_of_ours) {
    const auto first = connect("127.0.0.1");
    const auto second = connect("127.0.0.1");
    EXPECT_TRUE(answer_to(*first).starts_with("220 "));
    EXPECT_TRUE(answer_to(*second).starts_with("220 "));
    EXPECT_TRUE(answer_to(*connect("127.0.0.1")).starts_with("421 4.7.0 "));
    EXPECT_TRUE(answer_to(*connect("127.0.0.2")).starts_with("220 "));
}

TEST_F(InboundServer, shows_the_longest_idle_client_out_for_one_of_ours) {
    std::vector<std::unique_ptr<TestClient>> clients;
    for (const auto* address : {"127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"}) {
        clients.push_back(connect(address));
        EXPECT_TRUE(answer_to(*clients.back()).starts_with("220 "));
        clients.back()->say("EHLO client.example\r\n");
        answer_to(*clients.back());
    }
    clients[0]->say("MAIL FROM:<a@office.example>\r\n");  // and is no longer idle
    EXPECT_TRUE(answer_to(*clients[0]).starts_with("250 "));
    EXPECT_TRUE(answer_to(*connect("127.0.1.1")).starts_with("421 4.3.2 ")) << "a stranger";
    std::string greeting;
    run_until([&] { return (greeting = answer_to(*connect("127.0.0.3"))).starts_with("220 "); });
    EXPECT_TRUE(answer_to(*clients[1]).starts_with("421 4.3.2 "));
    for (const std::size_t other : {0u, 2u, 3u}) EXPECT_EQ(clients[other]->hear(), "");
    log_.flush();
    EXPECT_NE(logged_.find("reason=made_room"), logged_.npos) << logged_;
    EXPECT_NE(logged_.find("connections_refused count=1 "), logged_.npos) << logged_;
}

}  // namespace
}  // namespace mta::inbound
