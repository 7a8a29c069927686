#include "queue/destination.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;
using mta::Instant;
using How = Destination::Ended::How;
using Change = Destination::Change;
using Wait = Destination::Wait;

class DestinationTest : public testing::Test {
protected:
    // 0: the null sender.
    BundleHandle line_up(bool is_retry = false, std::uint32_t sender = 0) {
        Bundle bundle;
        bundle.is_retry = is_retry;
        if (sender > 0) bundle.sender = SenderGroup(sender);
        const auto index = bundles.add(bundle);
        destination.bundles().line_up(bundles, index);
        return index;
    }
    // Takes the next bundle out of its line and starts.
    bool start() {
        destination.bundles().leave(bundles, destination.bundles().take_turn());
        return destination.start(now);
    }
    Change end(How how, bool was_probe = false) {
        const auto mark = destination.mark();
        return destination.end(
            {.was_probe = was_probe, .how = how, .at_start = mark, .error = {.text = "refused"}},
            now);
    }

    Instant now{1h};
    BundleSlab bundles;
    Destination destination{"mx.them.example",
                            {.concurrency = {.start = 2, .max = 4}, .probes = static_route_probes}};
};

TEST_F(DestinationTest, says_what_a_bundle_waits_for) {
    EXPECT_EQ(destination.wait(now), Wait::empty);
    for (int i = 0; i < 4; ++i) line_up();
    EXPECT_EQ(destination.wait(now), Wait::turn);
    start();
    start();
    EXPECT_EQ(destination.wait(now), Wait::limit);
    end(How::failed);
    EXPECT_EQ(destination.wait(now), Wait::down);
}

TEST_F(DestinationTest, first_time_and_retried_mail_take_turns_each_in_its_order) {
    const auto new1 = line_up(false);
    const auto new2 = line_up(false);
    const auto new3 = line_up(false);
    const auto old1 = line_up(true);
    const auto old2 = line_up(true);
    std::vector<BundleHandle> order;
    while (destination.waiting() > 0) {
        order.push_back(destination.bundles().take_turn());
        destination.bundles().leave(bundles, order.back());
    }
    EXPECT_EQ(order, (std::vector<BundleHandle>{new1, old1, new2, old2, new3}));
}

TEST_F(DestinationTest, a_sender_with_100000_messages_delays_anothers_by_one) {
    for (int i = 0; i < 100'000; ++i) line_up(i % 2 == 0, 1);
    destination.bundles().leave(bundles, destination.bundles().take_turn());
    const auto other = line_up(false, 2);
    destination.bundles().leave(bundles, destination.bundles().take_turn());
    EXPECT_EQ(destination.bundles().next(), other);
}

TEST_F(DestinationTest, senders_get_equal_shares_whatever_they_have_waiting) {
    std::map<BundleHandle, std::uint32_t> sender_of;
    const auto add = [&](std::uint32_t sender, bool is_retry, int count) {
        for (int i = 0; i < count; ++i) {
            const auto bundle = line_up(is_retry, sender);
            sender_of[bundle] = sender;
        }
    };
    add(1, false, 5000);
    add(1, true, 5000);
    add(2, false, 1000);
    add(3, true, 1000);
    add(0, false, 1000);
    std::map<std::uint32_t, int> served;
    for (int i = 0; i < 2000; ++i) {
        const auto taken = destination.bundles().take_turn();
        ++served[sender_of[taken]];
        destination.bundles().leave(bundles, taken);
    }
    for (const auto& [sender, count] : served) EXPECT_NEAR(count, 500, 50) << sender;
    EXPECT_EQ(served.size(), 4u);
}

TEST_F(DestinationTest, each_senders_mail_keeps_its_order_when_some_leaves_the_line) {
    const auto a1 = line_up(false, 1);
    const auto b1 = line_up(false, 2);
    const auto a2 = line_up(false, 1);
    const auto b2 = line_up(false, 2);
    destination.bundles().leave(bundles, b1);
    EXPECT_EQ(destination.waiting(), 3u);
    std::vector<BundleHandle> order;
    while (destination.waiting() > 0) {
        order.push_back(destination.bundles().take_turn());
        destination.bundles().leave(bundles, order.back());
    }
    EXPECT_EQ(order, (std::vector<BundleHandle>{a1, b2, a2}));
}

TEST_F(DestinationTest, what_stays_in_line_when_its_turn_is_over_lets_the_next_sender_go_first) {
    const auto large = line_up(false, 1);
    const auto other = line_up(false, 2);
    EXPECT_EQ(destination.bundles().take_turn(), large);
    EXPECT_EQ(destination.bundles().take_turn(), other);
    EXPECT_EQ(destination.bundles().take_turn(), large);
}

// With a walk over senders or bundles this would be 10^10 steps, and not end within the test's
// time.
TEST_F(DestinationTest, a_turn_costs_the_same_with_100000_senders) {
    constexpr std::uint32_t senders = 100'000;
    std::vector<BundleHandle> first;
    for (std::uint32_t sender = 0; sender < senders; ++sender)
        first.push_back(line_up(false, sender));
    for (std::uint32_t sender = 0; sender < senders; ++sender) line_up(true, sender);
    for (const auto bundle : first) ASSERT_EQ(destination.bundles().take_turn(), bundle);
    for (auto i = senders; i > 0; --i) destination.bundles().leave(bundles, first[i - 1]);
    EXPECT_EQ(destination.waiting(), senders);
    while (destination.waiting() > 0)
        destination.bundles().leave(bundles, destination.bundles().take_turn());
}

TEST_F(DestinationTest, rates_have_a_time_at_which_the_wait_ends) {
    for (int i = 0; i < 10; ++i) line_up();
    destination.set_policy({.concurrency = {.start = 2, .max = 4},
                            .probes = static_route_probes,
                            .message_rate = mta::Rate{60, 60s},
                            .connection_rate = mta::Rate{2, 60s}});
    start();
    EXPECT_EQ(destination.wait(now), Wait::message_rate);
    EXPECT_FALSE(destination.may_follow(now));
    EXPECT_EQ(destination.rates().next_allowed({.message = true, .connection = false}), now + 1s);
    EXPECT_EQ(destination.rates().next_allowed({}), now + 30s);
    EXPECT_EQ(destination.rates().forgotten_at(), now + 30s);
    now += 1s;
    EXPECT_EQ(destination.wait(now), Wait::connection_rate);
    const Destination::Needs has_connection{.message = true, .connection = false};
    EXPECT_EQ(destination.wait(now, has_connection), Wait::turn) << "on the idle connection";
    EXPECT_TRUE(destination.may_follow(now));
    destination.bundles().leave(bundles, destination.bundles().take_turn());
    destination.start(now, has_connection);
    EXPECT_EQ(destination.wait(now, has_connection), Wait::limit) << "both are busy";
    end(How::answered);
    EXPECT_EQ(destination.wait(now, has_connection), Wait::message_rate);
    now += 29s;
    EXPECT_EQ(destination.wait(now), Wait::turn);
    destination.rates().take(now, {});
    EXPECT_EQ(destination.wait(now), Wait::message_rate);
}

TEST_F(DestinationTest, while_down_one_probe_at_a_time_at_growing_intervals) {
    for (int i = 0; i < 20; ++i) line_up();
    start();
    EXPECT_EQ(end(How::failed), Change::went_down);
    auto pause = 15s;
    for (int probe = 0; probe < 8; ++probe) {
        ASSERT_EQ(destination.health().next_probe(), now + pause);
        now += pause - 1ms;
        EXPECT_FALSE(destination.may_start(now));
        now += 1ms;
        ASSERT_TRUE(destination.may_start(now));
        EXPECT_TRUE(start()) << "it is the probe";
        EXPECT_FALSE(destination.may_start(now + 24h)) << "a second one";
        EXPECT_EQ(end(How::failed, true), Change::none);
        pause = std::min<std::chrono::seconds>(pause * 2, 300s);
    }
    now = *destination.health().next_probe();
    start();
    EXPECT_EQ(end(How::answered, true), Change::came_up);
    EXPECT_TRUE(destination.health().is_up());
    EXPECT_EQ(destination.limit(), 1u) << "it begins with one again";
}

TEST_F(DestinationTest, what_was_under_way_when_it_went_down_does_not_lengthen_the_pause) {
    for (int i = 0; i < 3; ++i) line_up();
    start();
    start();
    end(How::failed);
    const auto probe = destination.health().next_probe();
    EXPECT_EQ(end(How::failed), Change::none);
    EXPECT_EQ(destination.health().next_probe(), probe);
}

TEST_F(DestinationTest, a_failure_beside_successes_halves_it_and_does_not_take_it_down) {
    for (int i = 0; i < 3; ++i) line_up();
    start();
    const auto before = destination.mark();
    start();
    end(How::answered);
    const auto limit = destination.limit();
    EXPECT_EQ(limit, 3u);
    EXPECT_EQ(destination.end({.how = How::failed, .at_start = before, .error = {}}, now),
              Change::none);
    EXPECT_TRUE(destination.health().is_up());
    EXPECT_EQ(destination.limit(), 1u) << "half of the one that was in use, and at least one";
}

TEST_F(DestinationTest, that_worked_a_moment_ago_goes_down_with_the_third_failure_in_a_row) {
    for (int i = 0; i < 9; ++i) line_up();
    start();
    end(How::answered);
    now += Health::trust - 1ms;
    for (int failure = 1; failure <= 3; ++failure) {
        EXPECT_TRUE(destination.health().is_up()) << failure;
        start();
        EXPECT_EQ(end(How::failed), failure == 3 ? Change::went_down : Change::none) << failure;
    }
}

TEST_F(DestinationTest, grows_only_while_it_is_what_limits_us) {
    for (int i = 0; i < 20; ++i) line_up();
    start();
    end(How::answered);
    EXPECT_EQ(destination.limit(), 2u) << "one of two was in use";
    for (int round = 0; round < 10; ++round) {
        while (destination.may_start(now)) start();
        end(How::answered);
    }
    EXPECT_EQ(destination.limit(), 4u) << "never above its most";
}

TEST_F(DestinationTest, a_probe_that_learns_nothing_lets_the_next_begin_at_once) {
    line_up();
    line_up();
    line_up();
    start();
    end(How::failed);
    now = *destination.health().next_probe();
    start();
    end(How::unknown, true);
    EXPECT_TRUE(destination.may_start(now));
}

TEST_F(DestinationTest, a_delivery_behind_another_needs_no_connection_more) {
    for (int i = 0; i < 3; ++i) line_up();
    start();
    start();
    EXPECT_TRUE(destination.may_follow(now));
    destination.bundles().leave(bundles, destination.bundles().take_turn());
    destination.start_behind(now);
    EXPECT_EQ(destination.busy(), 2u);
    EXPECT_EQ(destination.delivering(), 3u);
    destination.end({.frees_connection = false, .how = How::answered, .error = {}}, now);
    EXPECT_EQ(destination.busy(), 2u);
}

TEST_F(DestinationTest, a_session_that_breaks_shows_that_it_is_up) {
    for (int i = 0; i < 4; ++i) line_up();
    start();
    end(How::failed);
    now = *destination.health().next_probe();
    EXPECT_TRUE(start());
    EXPECT_EQ(end(How::broken, true), Change::came_up);
    EXPECT_EQ(destination.limit(), 1u) << "as after any outage";
    EXPECT_EQ(destination.wait(now), Wait::turn) << "other mail is tried at once";
    start();
    EXPECT_EQ(end(How::broken), Change::none);
    EXPECT_EQ(destination.wait(now), Wait::turn);
}

TEST_F(DestinationTest, pauses_between_the_connections_of_one_that_breaks_the_sessions_of_many) {
    for (std::uint32_t sender = 1; sender <= 9; ++sender) line_up(false, sender);
    for (std::uint32_t sender = 1; sender <= 3; ++sender) {
        EXPECT_EQ(destination.wait(now), Wait::turn);
        start();
        destination.end({.how = How::broken,
                         .error = {},
                         .sender = SenderGroup(sender),
                         .broken_at = {sender, {}}},
                        now);
    }
    EXPECT_EQ(destination.limit(), 1u);
    EXPECT_EQ(destination.wait(now), Wait::slowed);
    EXPECT_EQ(destination.wait(now, {.message = true, .connection = false}), Wait::turn)
        << "a connection that is there may be used";
    destination.probe_now(now);
    EXPECT_EQ(destination.wait(now), Wait::turn) << "an operator wants to know now";
    start();
    destination.end(
        {.how = How::broken, .error = {}, .sender = SenderGroup(1), .broken_at = {1, {}}}, now);
    EXPECT_EQ(destination.wait(now), Wait::slowed);
    now = destination.next_start();
    start();
    end(How::answered);
    EXPECT_EQ(destination.wait(now), Wait::turn);
    EXPECT_FALSE(destination.is_slowed());
}

}  // namespace
}  // namespace queue
