// The delay notices alone: a test says which message is due for one, as the scheduler would.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/events/message_events.h"
#include "mta/outbound/lifecycle/delay_notices.h"
#include "tests/outbound/bare_queue.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DelayNoticesAlone : public testing::Test {
protected:
    queue::MessageHandle add(world::BareMail mail = {}) {
        mail.is_in_memory = true;
        return queue_.add(mail);
    }
    void pass(Millis time) { queue_.agenda.set_now(queue_.agenda.now() + time); }
    // Until the notice that was asked for is made.
    void run() { run_for(2min); }
    void run_for(Millis time) { queue_.run_for(notices_, time); }
    bool may_have_notice(const std::string& sender = "ann@office.example") const {
        return notices_.not_before(sender) <= queue_.agenda.now();
    }

    world::BareQueue queue_;
    bool is_down_ = false;
    bool is_too_early_ = false;
    std::vector<std::string> damaged_;
    Ledger ledger_{queue_.context,
                   queue_.ledger_parts(),
                   {.on_report = [](const auto&) {},
                    .on_damaged = [this](queue::MessageHandle, const auto&,
                                         const std::string& reason) { damaged_.push_back(reason); },
                    .reason_of = [](const auto&) { return DeliveryError{}; },
                    .waits_for_outage = [](const auto&) { return false; }}};
    DelayNotices notices_{
        queue_.context,
        {queue_.store, queue_.scheduler, ledger_, queue_.report_writer, queue_.copies},
        {.reason_of =
             [](const auto&) { return DeliveryError{.status = {4, 4, 1}, .text = "it is down"}; },
         .waits_for_outage = [this](const auto&) { return is_down_; },
         .is_too_early = [this](const auto&, const auto&) { return is_too_early_; }}};
};

TEST_F(DelayNoticesAlone, list_all_late_messages_of_a_sender_in_one_notice) {
    const auto first = add();
    (void)add({.from = "eve@office.example"});
    (void)add();
    (void)add();
    pass(4h);
    notices_.note_due(first);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].kind, ReportKind::delay);
    EXPECT_EQ(queue_.reports[0].original, 1u);
    EXPECT_THAT(queue_.reports[0].also, ElementsAre(3, 4));
    EXPECT_EQ(queue_.reports[0].also_unlisted, 0u);
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).error.text, "it is down");
    EXPECT_EQ(
        queue_.reports[0].give_up_at,
        queue_.scheduler.expiry(queue_.scheduler.table().message(first), queue_.recipient(first)));
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1 +5", "update 3", "update 4"))
        << "the report enters the store with the state of the first";
    EXPECT_EQ(queue_.stored(4).delay_notices, 1u);
    EXPECT_EQ(queue_.stored(2).delay_notices, 0u);
}

TEST_F(DelayNoticesAlone, are_made_once_if_all_messages_of_a_sender_come_due_together) {
    const auto first = add();
    const auto second = add();
    pass(4h);
    notices_.note_due(first);
    notices_.note_due(second);
    run();
    EXPECT_THAT(queue_.reports, SizeIs(1));
}

TEST_F(DelayNoticesAlone, come_to_each_sender_apart) {
    const auto first = add();
    const auto second = add({.from = "eve@office.example"});
    pass(4h);
    notices_.note_due(first);
    notices_.note_due(second);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(2));
    EXPECT_EQ(queue_.reports[0].original, 1u);
    EXPECT_EQ(queue_.reports[1].original, 2u);
    EXPECT_THAT(queue_.reports[0].also, IsEmpty());
}

TEST_F(DelayNoticesAlone, leave_a_sender_in_peace_for_four_hours_after_one) {
    const auto first = add();
    EXPECT_TRUE(may_have_notice());
    pass(4h);
    notices_.note_due(first);
    run_for(2min);
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_FALSE(may_have_notice());
    EXPECT_TRUE(may_have_notice("eve@office.example"));
    const auto second = add();
    run_for(3h + 57min);
    notices_.note_due(second);
    run_for(1min);
    EXPECT_THAT(queue_.reports, SizeIs(1));
    run_for(3min);
    EXPECT_TRUE(may_have_notice());
    notices_.note_due(second);
    run_for(2min);
    ASSERT_THAT(queue_.reports, SizeIs(2));
    EXPECT_EQ(queue_.reports[1].original, 3u);
}

TEST_F(DelayNoticesAlone, list_other_messages_that_are_half_as_old_as_the_first_age) {
    const auto first = add();
    pass(1h + 58min);
    (void)add();
    pass(4min);
    const auto young = add();
    pass(1h + 58min);
    notices_.note_due(first);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_THAT(queue_.reports[0].also, ElementsAre(2));
    EXPECT_EQ(queue_.recipient(young).delay_notices, 0u);
}

TEST_F(DelayNoticesAlone, list_other_messages_of_any_age_that_wait_for_what_is_down) {
    const auto first = add();
    pass(4h);
    (void)add();
    is_down_ = true;
    notices_.note_due(first);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_THAT(queue_.reports[0].also, ElementsAre(2));
}

TEST_F(DelayNoticesAlone, list_a_message_for_its_second_age_only_when_that_has_come) {
    const auto first = add();
    pass(4h);
    notices_.note_due(first);
    run();
    const auto second = add();
    pass(5h);
    is_down_ = true;
    notices_.note_due(second);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(2));
    EXPECT_EQ(queue_.reports[1].original, 3u);
    EXPECT_THAT(queue_.reports[1].also, IsEmpty()) << "the first one was in a notice before";
}

TEST_F(DelayNoticesAlone, that_come_to_nothing_silence_the_sender_for_two_minutes_only) {
    const auto first = add();
    pass(4h);
    is_too_early_ = true;
    notices_.note_due(first);
    EXPECT_FALSE(may_have_notice());
    run_for(2min);
    EXPECT_THAT(queue_.reports, IsEmpty());
    EXPECT_THAT(queue_.take_calls(), IsEmpty());
    EXPECT_TRUE(may_have_notice());
    is_too_early_ = false;
    notices_.note_due(first);
    run_for(2min);
    EXPECT_THAT(queue_.reports, SizeIs(1));
}

TEST_F(DelayNoticesAlone, list_fifty_messages_and_count_the_others) {
    const auto first = add();
    for (int i = 0; i < 59; ++i) (void)add();
    pass(4h);
    notices_.note_due(first);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].original, 1u);
    EXPECT_THAT(queue_.reports[0].also, SizeIs(DelayNotices::listed_max - 1));
    EXPECT_EQ(queue_.reports[0].also.back(), DelayNotices::listed_max) << "the oldest are listed";
    EXPECT_EQ(queue_.reports[0].also_unlisted, 10u);
    EXPECT_THAT(queue_.take_calls(), SizeIs(DelayNotices::listed_max));
    EXPECT_EQ(queue_.recipient(queue_.scheduler.table().find(60)).delay_notices, 1u)
        << "the sender has been informed of it";
    EXPECT_EQ(queue_.stored(60).delay_notices, 0u) << "until its next change";
}

TEST_F(DelayNoticesAlone, leave_out_recipients_that_want_none_or_whose_last_attempt_is_due) {
    const auto unwanted = add({.notify = queue::notify_failure});
    pass(4h);
    notices_.note_due(unwanted);
    run();
    EXPECT_THAT(queue_.reports, IsEmpty());
    const auto old = add();
    pass(5 * 24h);
    notices_.note_due(old);
    run();
    EXPECT_THAT(queue_.reports, IsEmpty());
}

TEST_F(DelayNoticesAlone, leave_out_what_was_served_while_the_messages_were_read) {
    const auto first = queue_.add();
    (void)queue_.add();
    pass(4h);
    notices_.note_due(first);
    queue_.agenda.later(1min + 1ms, [&] {  // the walk is over, and the store has not answered
        auto& table = queue_.scheduler.table();
        table.set_phase(table.message(first), queue_.recipient(first),
                        queue::RecipientPhase::delivered);
    });
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].original, 2u);
    EXPECT_THAT(queue_.reports[0].also, IsEmpty());
}

TEST_F(DelayNoticesAlone, leave_out_a_message_that_the_store_cannot_give) {
    const auto first = queue_.add();
    (void)queue_.add();
    pass(4h);
    queue_.store.kept.erase(1);
    notices_.note_due(first);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].original, 2u);
    EXPECT_EQ(queue_.events.count<events::Unreadable>("1"), 1u);
    EXPECT_THAT(damaged_, IsEmpty());
    EXPECT_EQ(queue_.recipient(first).delay_notices, 0u);
}

TEST_F(DelayNoticesAlone, return_a_message_that_is_found_damaged_and_make_no_notice_of_it) {
    const auto first = queue_.add();
    pass(4h);
    queue_.store.read_error = {queue::StoreError::Kind::corrupt, "checksum"};
    notices_.note_due(first);
    run();
    EXPECT_THAT(damaged_, SizeIs(1));
    EXPECT_THAT(queue_.reports, IsEmpty());
}

TEST_F(DelayNoticesAlone, read_the_head_of_a_large_body_and_do_without_it_if_that_fails) {
    const auto first = add({.is_large = true});
    pass(4h);
    notices_.note_due(first);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].head, "Subject: hello\r\n\r\nhello\r\n");
    queue_.store.body_read_error = true;
    const auto second = add({.from = "eve@office.example", .is_large = true});
    pass(4h);
    notices_.note_due(second);
    run();
    ASSERT_THAT(queue_.reports, SizeIs(2));
    EXPECT_EQ(queue_.reports[1].head, "");
}

}  // namespace
}  // namespace mta::outbound
