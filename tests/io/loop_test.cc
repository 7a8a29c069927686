#include "mta/io/loop.h"

#include <thread>

#include <gtest/gtest.h>

#include "mta/io/clock.h"
#include "mta/io/mailbox.h"
#include "mta/io/timer.h"

namespace mta::io {
namespace {
using namespace std::chrono_literals;

TEST(Timer, fires_once) {
    Loop loop;
    int fired = 0;
    Timer timer(loop, [&] { ++fired; });
    timer.set(1ms);
    loop.run();
    EXPECT_EQ(fired, 1);
}

TEST(Timer, does_not_fire_after_destruction) {
    Loop loop;
    int fired = 0;
    {
        Timer timer(loop, [&] { ++fired; });
        timer.set(0ms);
    }
    loop.run();
    EXPECT_EQ(fired, 0);
}

TEST(Timer, may_destroy_itself_from_its_own_callback) {
    Loop loop;
    std::unique_ptr<Timer> timer;
    timer = std::make_unique<Timer>(loop, [&] { timer.reset(); });
    timer->set(1ms);
    loop.run();
    EXPECT_FALSE(timer);
}

TEST(Timer, that_rearms_itself_at_once_does_not_starve_the_others) {
    Loop loop;
    int eager = 0;
    Timer other(loop, [&] { loop.stop(); });
    Timer self(loop, [&] {
        ++eager;
        self.set(0ms);
    });
    self.set(0ms);
    other.set(20ms);
    loop.run();
    EXPECT_GE(eager, 1);
    EXPECT_LE(eager, 25);
}

TEST(Loop, runs_work_after_the_callback_that_asked_for_it) {
    Loop loop;
    std::string order;
    Timer timer(loop, [&] {
        loop.at_turn_end([&] { order += "work "; });
        order += "callback ";
    });
    timer.set(1ms);
    loop.run();
    EXPECT_EQ(order, "callback work ");
}

TEST(Loop, serves_work_that_adds_work_without_waiting_for_an_event) {
    Loop loop;
    int runs = 0;
    std::function<void()> again = [&] {
        if (++runs < 100) loop.at_turn_end([&] { again(); });
    };
    loop.at_turn_end([&] { again(); });
    loop.run();
    EXPECT_EQ(runs, 100);
}

TEST(Loop, work_that_adds_work_for_ever_does_not_starve_timers) {
    Loop loop;
    bool is_over = false;
    std::function<void()> again = [&] {
        if (!is_over) loop.at_turn_end([&] { again(); });
    };
    Timer timer(loop, [&] { is_over = true; });
    timer.set(5ms);
    loop.at_turn_end([&] { again(); });
    loop.run();
    EXPECT_TRUE(is_over);
}

TEST(Mailbox, delivers_in_order_what_other_threads_post) {
    Loop loop;
    std::vector<int> seen;
    Mailbox mailbox(loop);
    std::thread poster([&] {
        for (int i = 0; i < 10'000; ++i) {
            mailbox.post([&, i] {
                seen.push_back(i);
                if (i == 9'999) loop.stop();
            });
        }
    });
    loop.run();
    poster.join();
    ASSERT_EQ(seen.size(), 10'000u);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST(Mailbox, destroys_unrun_what_nobody_came_for) {
    const auto token = std::make_shared<int>(1);
    {
        Loop loop;
        Mailbox mailbox(loop);
        mailbox.post([token] { ADD_FAILURE() << "ran without a loop"; });
    }
    EXPECT_EQ(token.use_count(), 1);
}

TEST(Clock, begins_with_the_machines_time_and_never_goes_back) {
    Loop loop;
    const Clock clock(loop);
    const auto before = Clock::read_machine_clock();
    auto last = clock.now();
    EXPECT_LT(std::chrono::abs(last - before), 1s);
    for (int i = 0; i < 100; ++i) {
        loop.run_ready();
        EXPECT_GE(clock.now(), last);
        last = clock.now();
    }
}
}  // namespace
}  // namespace mta::io
