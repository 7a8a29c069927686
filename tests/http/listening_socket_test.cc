#include "mta/http/listening_socket.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::http {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

bool can_connect(const std::string& path) {
    const auto address = address_of(path);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const bool is_connected =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return is_connected;
}

class ListeningSocketTest : public testing::Test {
protected:
    ListeningSocketTest() {
        std::string name = "/tmp/posthouse_http_XXXXXX";
        folder_ = ::mkdtemp(name.data());
        path_ = folder_ + "/http.sock";
    }
    ~ListeningSocketTest() override { fs::remove_all(folder_); }

    static std::expected<ListeningSocket, std::string> open(const UnixAddress& address) {
        return ListeningSocket::open(address, "test.socket");
    }

    std::string folder_;
    std::string path_;
};

TEST_F(ListeningSocketTest, is_for_owner_and_group_and_its_file_goes_with_it) {
    {
        const auto socket = open({.path = path_});
        ASSERT_TRUE(socket) << socket.error();
        EXPECT_EQ(socket->path(), path_);
        EXPECT_EQ(socket->port(), 0);
        struct stat info{};
        ASSERT_EQ(::stat(path_.c_str(), &info), 0);
        EXPECT_TRUE(S_ISSOCK(info.st_mode));
        EXPECT_EQ(info.st_mode & 0777, 0660u);
        EXPECT_TRUE(can_connect(path_));
    }
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ListeningSocketTest, moving_it_leaves_the_file_alone) {
    auto first = open({.path = path_});
    ASSERT_TRUE(first) << first.error();
    {
        const auto second = std::move(*first);
        EXPECT_EQ(second.path(), path_);
        EXPECT_TRUE(can_connect(path_));
    }
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ListeningSocketTest, what_is_released_is_the_callers_to_close) {
    auto socket = open({.path = path_});
    ASSERT_TRUE(socket) << socket.error();
    const int fd = socket->release();
    socket->remove_file();
    EXPECT_FALSE(fs::exists(path_));
    EXPECT_EQ(::close(fd), 0);
}

TEST_F(ListeningSocketTest, has_the_mode_and_the_group_that_are_asked_for) {
    const auto* const own = ::getgrgid(::getgid());  // any group that this process is in
    ASSERT_NE(own, nullptr);
    {
        const auto socket = open({.path = path_, .mode = 0600, .group = own->gr_name});
        ASSERT_TRUE(socket) << socket.error();
        struct stat info{};
        ASSERT_EQ(::stat(path_.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u);
        EXPECT_EQ(info.st_gid, ::getgid());
    }
    const auto refused = open({.path = path_, .group = "no-such-group"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "test.socket_group: there is no group \"no-such-group\"");
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ListeningSocketTest, replaces_the_socket_of_a_dead_relay) {
    const auto address = address_of(path_);
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(dead);
    ASSERT_TRUE(fs::exists(path_));
    ASSERT_FALSE(can_connect(path_));
    const auto socket = open({.path = path_});
    ASSERT_TRUE(socket) << socket.error();
    EXPECT_TRUE(can_connect(path_));
}

TEST_F(ListeningSocketTest, refuses_the_socket_of_a_live_relay_and_leaves_it_alone) {
    const auto first = open({.path = path_});
    ASSERT_TRUE(first) << first.error();
    const auto second = open({.path = path_});
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error(), HasSubstr("test.socket: another relay is running"));
    EXPECT_TRUE(can_connect(path_));
}

TEST_F(ListeningSocketTest, a_live_relay_too_busy_to_accept_is_not_taken_for_a_dead_one) {
    const auto address = address_of(path_);
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
    const auto socket = open({.path = path_});
    ASSERT_FALSE(socket);
    EXPECT_THAT(socket.error(), HasSubstr("another relay is running"));
    EXPECT_TRUE(fs::exists(path_));
    for (const int fd : waiting) ::close(fd);
    ::close(busy);
}

TEST_F(ListeningSocketTest, says_clearly_what_is_wrong_with_the_path) {
    const auto in_no_folder = open({.path = folder_ + "/none/http.sock"});
    ASSERT_FALSE(in_no_folder);
    EXPECT_THAT(in_no_folder.error(),
                HasSubstr("test.socket: the folder " + folder_ + "/none does not exist"));
    std::ofstream(path_) << "precious";
    const auto over_a_file = open({.path = path_});
    ASSERT_FALSE(over_a_file);
    EXPECT_THAT(over_a_file.error(), HasSubstr("is no socket"));
    EXPECT_TRUE(fs::is_regular_file(path_));
    const auto too_long = open({.path = folder_ + '/' + std::string(120, 'x')});
    ASSERT_FALSE(too_long);
    EXPECT_THAT(too_long.error(), HasSubstr("107 bytes"));
}

TEST_F(ListeningSocketTest, a_tcp_port_that_is_taken_is_named) {
    const auto any = ListeningSocket::open(*parse_endpoint("127.0.0.1:0"), "test.address");
    ASSERT_TRUE(any) << any.error();
    ASSERT_NE(any->port(), 0);
    const auto name = "127.0.0.1:" + std::to_string(any->port());
    const auto taken = ListeningSocket::open(*parse_endpoint(name), "test.address");
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error(), HasSubstr("test.address: cannot listen on " + name + ": "));
}

}  // namespace
}  // namespace mta::http
