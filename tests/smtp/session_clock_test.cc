#include "mta/smtp/server/session_clock.h"

#include <gtest/gtest.h>

namespace mta::smtp {
namespace {

using namespace std::chrono_literals;

class ServerSessionClock : public testing::Test {
protected:
    // Moves on; what has not come in time.
    std::string expire_after(Millis by) {
        now_ += by;
        return std::string(clock_.expire(now_).value_or(""));
    }

    ServerOptions options_{.hostname = "relay.us.example",
                           .postmaster = {},
                           .command_timeout = 60s,
                           .data_timeout = 90s,
                           .data_rate_bytes_min = 100};
    SessionClock clock_{options_};
    Instant now_ = from_unix_ms(1'795'320'306'000);
};

TEST_F(ServerSessionClock, waits_for_nothing_at_first_and_when_it_is_stopped) {
    EXPECT_FALSE(clock_.deadline());
    clock_.await_command(now_);
    EXPECT_TRUE(clock_.deadline());
    clock_.stop();
    EXPECT_FALSE(clock_.deadline());
    EXPECT_EQ(expire_after(100h), "");
}

TEST_F(ServerSessionClock, gives_a_command_its_time) {
    clock_.end_silence(now_);
    clock_.await_command(now_);
    EXPECT_EQ(expire_after(60s - 1ms), "");
    EXPECT_EQ(expire_after(1ms), "no command came in time");
}

TEST_F(ServerSessionClock, gives_a_session_without_mail_six_times_as_long) {
    clock_.end_silence(now_);
    for (int i = 0; i < 11; ++i) {
        clock_.await_command(now_);
        EXPECT_EQ(expire_after(30s), "");
    }
    clock_.await_command(now_);
    EXPECT_EQ(expire_after(30s), "no mail came for too long");
}

TEST_F(ServerSessionClock, gives_the_time_of_a_decision_back) {
    clock_.end_silence(now_);
    clock_.await_command(now_);
    now_ += 30s;
    clock_.suspend(now_);
    EXPECT_FALSE(clock_.deadline());
    EXPECT_EQ(expire_after(100h), "");
    clock_.resume(now_);
    clock_.await_command(now_);
    EXPECT_EQ(clock_.deadline(), now_ + 60s);
    EXPECT_EQ(clock_.silent_since(), now_ - 30s);
}

TEST_F(ServerSessionClock, is_stricter_with_commands_under_stress_and_at_once) {
    clock_.end_silence(now_);
    clock_.await_command(now_);
    clock_.set_stressed(now_, true);
    EXPECT_EQ(clock_.deadline(), now_ + stress_timeout);
    clock_.set_stressed(now_, false);
    EXPECT_EQ(clock_.deadline(), now_ + stress_timeout) << "the next command has its time again";
    clock_.await_command(now_);
    EXPECT_EQ(clock_.deadline(), now_ + 60s);
    clock_.await_data(now_);
    clock_.set_stressed(now_, true);
    EXPECT_EQ(clock_.deadline(), now_ + 60s) << "data is not concerned: its rate is looked at";
}

TEST_F(ServerSessionClock, ends_data_that_has_stopped) {
    options_.data_rate_bytes_min = 0;
    clock_.await_data(now_);
    EXPECT_EQ(expire_after(80s), "");
    clock_.count_data(now_, 1);
    EXPECT_EQ(expire_after(80s), "") << "a byte came in between";
    EXPECT_EQ(expire_after(10s), "the message stopped coming");
}

TEST_F(ServerSessionClock, ends_data_that_comes_too_slowly_over_a_minute) {
    clock_.await_data(now_);
    clock_.count_data(now_ + 1s, 6000);
    EXPECT_EQ(expire_after(60s), "");
    clock_.count_data(now_ + 1s, 5999);
    EXPECT_EQ(expire_after(60s), "the message comes too slowly");
}

}  // namespace
}  // namespace mta::smtp
