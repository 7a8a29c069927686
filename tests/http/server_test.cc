#include "mta/http/server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::http {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class ServerTest : public testing::Test {
protected:
    ServerTest() {
        std::string name = "/tmp/posthouse_http_XXXXXX";
        folder_ = ::mkdtemp(name.data());
        path_ = folder_ + "/http.sock";
    }
    ~ServerTest() override { fs::remove_all(folder_); }

    static int connect_to(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            return fd;
        }
        ::close(fd);
        return -1;
    }
    // Sends the bytes as they are and reads until the server closes.
    std::string exchange(const std::string& bytes) const {
        const int fd = connect_to(path_);
        return fd < 0 ? "no connection" : exchange_on(fd, bytes);
    }
    static std::string exchange_on(int fd, const std::string& bytes) {
        std::string_view rest = bytes;
        while (!rest.empty()) {
            const auto sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
            if (sent <= 0) break;
            rest.remove_prefix(static_cast<std::size_t>(sent));
        }
        std::string answer;
        char buffer[4096];
        for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
            answer.append(buffer, static_cast<std::size_t>(n));
        }
        ::close(fd);
        return answer;
    }
    static Response echo(const Request& request) {
        std::string text = request.method + '|' + request.path + '|' + request.body;
        for (const auto& [name, value] : request.query) text += '|' + name + '=' + value;
        return {200, text};
    }
    std::expected<std::unique_ptr<Server>, std::string> start(Server::Handler handler,
                                                              const Server::Options& options = {
                                                                  .threads = 2}) const {
        auto socket = ListeningSocket::open(UnixAddress{.path = path_}, "test.socket");
        if (!socket) return std::unexpected(socket.error());
        return Server::start(std::move(*socket), std::move(handler), options);
    }

    std::string folder_;
    std::string path_;
};

TEST_F(ServerTest, hands_over_method_path_query_and_body) {
    const auto server = start(echo);
    ASSERT_TRUE(server) << server.error();
    EXPECT_THAT(exchange("GET /v1/why/a%40b%20c?x=1&y=%3C%3E&z HTTP/1.1\r\nHost: x\r\nConnection: "
                         "close\r\n\r\n"),
                testing::EndsWith("\r\n\r\nGET|/v1/why/a@b c||x=1|y=<>|z="));
    EXPECT_THAT(exchange("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: "
                         "close\r\n\r\nhello"),
                testing::EndsWith("\r\n\r\nPOST|/p|hello"));
}

TEST_F(ServerTest, a_body_beyond_the_limit_is_refused) {
    std::atomic<int> calls = 0;
    const auto server = start([&](const Request&) {
        ++calls;
        return Response{200, "{}"};
    });
    ASSERT_TRUE(server) << server.error();
    for (const auto& [bytes, status] :
         {std::pair{request_body_bytes_max, "200"}, {request_body_bytes_max + 1, "413"}}) {
        const auto answer =
            exchange("POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                     std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x'));
        EXPECT_THAT(answer, HasSubstr(std::string("HTTP/1.1 ") + status));
    }
    EXPECT_EQ(calls, 1);
}

Response throws(const Request& /*request*/) { throw std::runtime_error("secret"); }

TEST_F(ServerTest, a_handler_that_throws_is_a_500_without_its_words) {
    const auto server = start(throws);
    ASSERT_TRUE(server) << server.error();
    const auto answer = exchange("GET / HTTP/1.0\r\n\r\n");
    EXPECT_THAT(answer, HasSubstr(" 500 "));
    EXPECT_THAT(answer, testing::Not(HasSubstr("secret")));
    EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain"));
}

TEST_F(ServerTest, the_owner_decides_what_a_failure_looks_like) {
    const auto server =
        start(throws, {.threads = 2, .failure = [](std::uint32_t status, std::string_view text) {
                           return Response{status, '<' + std::string(text) + '>', "text/html"};
                       }});
    ASSERT_TRUE(server) << server.error();
    const auto answer = exchange("GET / HTTP/1.0\r\n\r\n");
    EXPECT_THAT(answer, HasSubstr("Content-Type: text/html"));
    EXPECT_THAT(answer,
                testing::EndsWith("\r\n\r\n<the relay could not answer; its log may say why>"));
}

TEST_F(ServerTest, the_type_of_a_response_is_the_handlers_and_nothing_is_cached) {
    const auto server = start([](const Request&) {
        return Response{.status = 200, .body = "{}", .content_type = "application/json"};
    });
    ASSERT_TRUE(server) << server.error();
    const auto answer = exchange("GET / HTTP/1.0\r\n\r\n");
    EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store\r\n"));
}

TEST_F(ServerTest, the_socket_file_goes_with_the_server) {
    {
        const auto server = start(echo);
        ASSERT_TRUE(server) << server.error();
        EXPECT_EQ((*server)->socket_path(), path_);
        EXPECT_TRUE(fs::exists(path_));
    }
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ServerTest, answers_over_tcp_on_the_port_that_it_names) {
    auto socket = ListeningSocket::open(*parse_endpoint("127.0.0.1:0"), "test.address");
    ASSERT_TRUE(socket) << socket.error();
    const auto server = Server::start(std::move(*socket), echo, {});
    ASSERT_TRUE(server) << server.error();
    EXPECT_EQ((*server)->socket_path(), "");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons((*server)->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_THAT(exchange_on(fd, "GET /x HTTP/1.0\r\n\r\n"), testing::EndsWith("GET|/x|"));
}

TEST_F(ServerTest, nonsense_and_silence_do_not_stop_it) {
    const auto server = start(echo);
    ASSERT_TRUE(server) << server.error();
    const int silent = connect_to(path_);
    exchange("\x16\x03\x01 nonsense\r\n\r\n");
    exchange("GET /" + std::string(100'000, 'x') + " HTTP/1.0\r\n\r\n");
    EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), HasSubstr("GET|/|"));
    ::close(silent);
}

TEST_F(ServerTest, clients_that_say_nothing_do_not_hold_up_its_end) {
    auto server = start(echo);
    ASSERT_TRUE(server) << server.error();
    std::vector<int> silent;
    for (std::uint32_t i = 0; i < connections_max + 40; ++i) silent.push_back(connect_to(path_));
    auto end = std::async(std::launch::async, [&] { const auto ended = std::move(*server); });
    EXPECT_EQ(end.wait_for(std::chrono::seconds(15)), std::future_status::ready);
    for (const int fd : silent) ::close(fd);
}

TEST_F(ServerTest, answers_many_at_once) {
    const auto server = start(echo);
    ASSERT_TRUE(server) << server.error();
    std::vector<std::jthread> clients;
    std::atomic<int> answered = 0;
    for (int i = 0; i < 16; ++i) {
        clients.emplace_back([&, i] {
            const auto answer = exchange("GET /" + std::to_string(i) + " HTTP/1.0\r\n\r\n");
            if (answer.ends_with("GET|/" + std::to_string(i) + "|")) ++answered;
        });
    }
    clients.clear();
    EXPECT_EQ(answered, 16);
}

}  // namespace
}  // namespace mta::http
