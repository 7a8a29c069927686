#include "mta/io/poll.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include <gtest/gtest.h>

namespace mta::io {
namespace {

// Two ends of one connection.
class PollTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0);
    }
    void TearDown() override {
        for (const int end : ends_) close(end);
    }
    void turns(int count) {
        for (int i = 0; i < count; ++i) loop_.run_ready();
    }
    void make_readable() { ASSERT_EQ(write(ends_[1], "x", 1), 1); }

    std::array<int, 2> ends_{};
    Loop loop_;
    int called_ = 0;
};

TEST_F(PollTest, tells_what_the_socket_is_ready_for) {
    bool can_read = false;
    bool can_write = false;
    Poll poll(loop_, ends_[0], [&](bool readable, bool writable, int status) {
        can_read = readable;
        can_write = writable;
        EXPECT_EQ(status, 0);
    });
    poll.watch(true, false);
    turns(2);
    EXPECT_FALSE(can_read || can_write);
    make_readable();
    turns(2);
    EXPECT_TRUE(can_read);
    EXPECT_FALSE(can_write);
    poll.watch(true, true);
    turns(2);
    EXPECT_TRUE(can_read && can_write);
}

TEST_F(PollTest, watching_for_nothing_is_silence) {
    Poll poll(loop_, ends_[0], [&](bool, bool, int) { ++called_; });
    make_readable();
    poll.watch(true, false);
    poll.watch(false, false);
    turns(3);
    EXPECT_EQ(called_, 0);
}

TEST_F(PollTest, may_be_destroyed_from_its_own_callback) {
    std::unique_ptr<Poll> poll;
    const auto kept = std::make_shared<int>(7);
    poll = std::make_unique<Poll>(loop_, ends_[0], [&, kept](bool, bool, int) {
        poll.reset();
        ++called_;
        EXPECT_EQ(*kept, 7);  // the callback itself is still there
    });
    poll->watch(true, true);
    turns(3);
    EXPECT_EQ(called_, 1);
    EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(PollTest, the_sockets_number_may_be_used_again_at_once) {
    auto first = std::make_unique<Poll>(loop_, ends_[0], [&](bool, bool, int) { ADD_FAILURE(); });
    first->watch(true, false);
    turns(1);
    first.reset();
    const int number = ends_[0];
    close(ends_[0]);
    close(ends_[1]);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0);
    ASSERT_EQ(ends_[0], number);
    Poll second(loop_, ends_[0], [&](bool, bool, int) { ++called_; });
    second.watch(true, false);
    make_readable();
    turns(2);
    EXPECT_GE(called_, 1);
}

}  // namespace
}  // namespace mta::io
