#include "mta/http/server.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::admin {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class ServerTest : public testing::Test {
protected:
    ServerTest() {
        std::string name = "/tmp/posthouse_admin_XXXXXX";
        folder_ = ::mkdtemp(name.data());
        path_ = folder_ + "/admin.sock";
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
        if (fd < 0) return "no connection";
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

    std::string folder_;
    std::string path_;
};

TEST_F(ServerTest, hands_over_method_path_query_and_body) {
    const auto server = Server::listen(path_, echo);
    ASSERT_TRUE(server) << server.error();
    EXPECT_THAT(exchange("GET /v1/why/a%40b%20c?x=1&y=%3C%3E&z HTTP/1.1\r\nHost: x\r\nConnection: "
                         "close\r\n\r\n"),
                testing::EndsWith("\r\n\r\nGET|/v1/why/a@b c||x=1|y=<>|z="));
    EXPECT_THAT(exchange("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: "
                         "close\r\n\r\nhello"),
                testing::EndsWith("\r\n\r\nPOST|/p|hello"));
}

TEST_F(ServerTest, the_socket_is_for_owner_and_group_and_goes_with_the_server) {
    {
        const auto server = Server::listen(path_, echo);
        ASSERT_TRUE(server) << server.error();
        struct stat info{};
        ASSERT_EQ(::stat(path_.c_str(), &info), 0);
        EXPECT_TRUE(S_ISSOCK(info.st_mode));
        EXPECT_EQ(info.st_mode & 0777, 0660u);
    }
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ServerTest, the_socket_is_for_whom_it_is_said_to_be) {
    // Any group that we are in.
    const auto* const own = ::getgrgid(::getgid());
    ASSERT_NE(own, nullptr);
    {
        const auto server = Server::listen(path_, echo, {.mode = 0600, .group = own->gr_name});
        ASSERT_TRUE(server) << server.error();
        struct stat info{};
        ASSERT_EQ(::stat(path_.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u);
        EXPECT_EQ(info.st_gid, ::getgid());
    }
    const auto refused = Server::listen(path_, echo, {.group = "no-such-group"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "admin.socket_group: there is no group \"no-such-group\"");
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ServerTest, replaces_the_socket_of_a_dead_relay) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(dead);
    ASSERT_TRUE(fs::exists(path_));
    const auto server = Server::listen(path_, echo);
    ASSERT_TRUE(server) << server.error();
    EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), HasSubstr("GET|/|"));
}

TEST_F(ServerTest, refuses_the_socket_of_a_live_relay_and_leaves_it_alone) {
    const auto first = Server::listen(path_, echo);
    ASSERT_TRUE(first) << first.error();
    const auto second = Server::listen(path_, echo);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error(), HasSubstr("another relay is running"));
    EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), HasSubstr("GET|/|"));
}

TEST_F(ServerTest, a_live_relay_too_busy_to_accept_is_not_taken_for_a_dead_one) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    const int busy = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(busy, generic, sizeof address), 0);
    ASSERT_EQ(::listen(busy, 0), 0);
    std::vector<int> waiting;
    int failed = 0;
    while (failed == 0 && waiting.size() < 100) {
        waiting.push_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
        failed = ::connect(waiting.back(), generic, sizeof address);
    }
    ASSERT_EQ(failed, -1) << "its queue never filled";
    const auto server = Server::listen(path_, echo);
    ASSERT_FALSE(server);
    EXPECT_THAT(server.error(), HasSubstr("another relay is running"));
    EXPECT_TRUE(fs::exists(path_));
    for (const int fd : waiting) ::close(fd);
    ::close(busy);
}

TEST_F(ServerTest, says_clearly_what_is_wrong_with_the_path) {
    const auto in_no_folder = Server::listen(folder_ + "/none/admin.sock", echo);
    ASSERT_FALSE(in_no_folder);
    EXPECT_THAT(in_no_folder.error(), HasSubstr("the folder " + folder_ + "/none does not exist"));
    std::ofstream(path_) << "precious";
    const auto over_a_file = Server::listen(path_, echo);
    ASSERT_FALSE(over_a_file);
    EXPECT_THAT(over_a_file.error(), HasSubstr("is no socket"));
    EXPECT_TRUE(fs::is_regular_file(path_));
    const auto too_long = Server::listen(folder_ + '/' + std::string(120, 'x'), echo);
    ASSERT_FALSE(too_long);
    EXPECT_THAT(too_long.error(), HasSubstr("107 bytes"));
}

TEST_F(ServerTest, a_body_beyond_the_limit_is_refused) {
    std::atomic<int> calls = 0;
    const auto server = Server::listen(path_, [&](const Request&) {
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

TEST_F(ServerTest, a_handler_that_throws_is_answered_for) {
    const auto server =
        Server::listen(path_, [](const Request&) -> Response { throw std::runtime_error("x"); });
    ASSERT_TRUE(server) << server.error();
    EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), HasSubstr(" 500 "));
}

TEST_F(ServerTest, nonsense_and_silence_do_not_stop_it) {
    const auto server = Server::listen(path_, echo);
    ASSERT_TRUE(server) << server.error();
    const int silent = connect_to(path_);
    exchange("\x16\x03\x01 nonsense\r\n\r\n");
    exchange("GET /" + std::string(100'000, 'x') + " HTTP/1.0\r\n\r\n");
    EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), HasSubstr("GET|/|"));
    ::close(silent);
}

TEST_F(ServerTest, clients_that_say_nothing_do_not_hold_up_its_end) {
    auto server = Server::listen(path_, echo);
    ASSERT_TRUE(server) << server.error();
    std::vector<int> silent;
    for (std::uint32_t i = 0; i < connections_max + 40; ++i) silent.push_back(connect_to(path_));
    auto end = std::async(std::launch::async, [&] { const auto ended = std::move(*server); });
    EXPECT_EQ(end.wait_for(std::chrono::seconds(15)), std::future_status::ready);
    for (const int fd : silent) ::close(fd);
}

TEST_F(ServerTest, answers_many_at_once) {
    const auto server = Server::listen(path_, echo);
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
}  // namespace mta::admin
