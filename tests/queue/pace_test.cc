#include "queue/pace.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;
using mta::Instant;

class PaceTest : public testing::Test {
protected:
    bool break_off(std::uint32_t sender, MessageId message) {
        return pace.on_break(SenderGroup(sender), {message, std::nullopt}, now, 0);
    }
    bool break_off(std::uint32_t sender) { return break_off(sender, sender); }

    Instant now{1000h};
    Pace pace;
};

TEST_F(PaceTest, the_poison_of_one_sender_changes_nothing_for_others) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(break_off(1));
        EXPECT_FALSE(break_off(1));
        pace.on_answer();
    }
    EXPECT_FALSE(pace.is_slowed());
    EXPECT_EQ(pace.next_start(), Instant{});
}

TEST_F(PaceTest, breaks_of_several_senders_in_a_row_slow_it_down) {
    EXPECT_FALSE(break_off(1));
    EXPECT_FALSE(break_off(2));
    EXPECT_FALSE(break_off(1));
    EXPECT_TRUE(break_off(3));
    EXPECT_TRUE(pace.is_slowed());
    EXPECT_EQ(pace.next_start(), now + Pace::pause_min);
}

TEST_F(PaceTest, many_messages_of_one_sender_in_a_row_slow_it_down) {
    for (MessageId message = 1; message < Pace::breaks_max; ++message)
        EXPECT_FALSE(break_off(1, message));
    EXPECT_TRUE(break_off(1, Pace::breaks_max));
}

TEST_F(PaceTest, one_message_does_not_slow_it_down_however_many_recipients_it_has) {
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(break_off(1, 7));
}

TEST_F(PaceTest, one_mailbox_does_not_slow_it_down_however_much_mail_it_gets) {
    for (std::uint32_t i = 0; i < 1000; ++i)
        EXPECT_FALSE(pace.on_break(SenderGroup(i), {i, 7}, now, 0));
    EXPECT_FALSE(pace.on_break(SenderGroup(2), {2, 8}, now, 0));
    EXPECT_TRUE(pace.on_break(SenderGroup(3), {3, 9}, now, 0))
        << "three mailboxes, with the mail of three";
}

TEST_F(PaceTest, an_order_never_lengthens_the_pause) {
    for (std::uint32_t sender = 1; sender <= 3; ++sender) (void)break_off(sender);
    now = pace.next_start();
    (void)break_off(4);
    const auto next = pace.next_start();
    for (int i = 0; i < 5; ++i) {
        now += 1s;
        pace.end_pause(now);
        EXPECT_EQ(pace.next_start(), now);
        pace.end_pause(now);
        (void)break_off(5);
        EXPECT_EQ(pace.next_start(), next);
    }
}

TEST_F(PaceTest, the_pauses_grow_up_to_a_limit_and_an_answer_ends_them) {
    for (std::uint32_t sender = 1; sender <= 3; ++sender) (void)break_off(sender);
    mta::Millis last{};
    for (int i = 0; i < 20; ++i) {
        now = pace.next_start();
        EXPECT_FALSE(break_off(1)) << "it is slowed down already";
        EXPECT_GE(pace.next_start() - now, last);
        last = pace.next_start() - now;
    }
    EXPECT_EQ(last, Pace::pause_max);
    pace.end_pause(now);
    EXPECT_EQ(pace.next_start(), now);
    EXPECT_TRUE(pace.is_slowed()) << "an order is no answer";
    pace.on_answer();
    EXPECT_FALSE(pace.is_slowed());
    EXPECT_FALSE(break_off(1));
}

}  // namespace
}  // namespace queue
