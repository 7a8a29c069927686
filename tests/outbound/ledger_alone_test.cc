// The ledger alone: outcomes are given to it, and what it makes of them is seen in the store, the
// queue, the events and the reports.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/events/message_events.h"
#include "mta/events/recipient_events.h"
#include "mta/events/report_events.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "tests/outbound/bare_queue.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using queue::RecipientPhase;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = Outcome::Kind;

// An error with the class that the kind of outcome has.
DeliveryError reply_for(Kind kind) {
    switch (kind) {
        case Kind::delivered: return {.status = {2, 0, 0}, .reply_code = 250, .text = "taken"};
        case Kind::failed: return {.status = {5, 1, 1}, .reply_code = 550, .text = "no mailbox"};
        case Kind::bounced: return {.status = {5, 0, 0}, .text = "returned by an administrator"};
        case Kind::deferred:
        case Kind::in_doubt:
        case Kind::expired: break;
    }
    return {.status = {4, 2, 2}, .reply_code = 452, .text = "mailbox full"};
}

class LedgerAlone : public testing::Test {
protected:
    using Mail = world::BareMail;
    struct Of {
        std::uint32_t recipient;
        Kind kind;
    };

    queue::MessageHandle add(const Mail& mail = {.is_in_memory = true}) {
        const auto added = queue_.add(mail);
        id_ = queue_.scheduler.table().message(added).id;
        return added;
    }
    static Mail mail_to(std::vector<std::string> to) {
        return {.to = std::move(to), .is_in_memory = true};
    }
    void settle(queue::MessageHandle message, const std::vector<Of>& outcomes) {
        std::vector<DeliveryError> errors;
        errors.reserve(outcomes.size());
        std::vector<Outcome> settled;
        for (const auto& [recipient, kind] : outcomes) {
            errors.push_back(reply_for(kind));
            settled.push_back({.recipient = recipient, .kind = kind, .error = &errors.back()});
            settled.back().is_dsn_passed_on = is_dsn_passed_on_;
        }
        ledger_.settle(message, queue_.copies.get(message), "mx.them.example", settled);
    }
    void settle(queue::MessageHandle message, Kind kind) { settle(message, {{0, kind}}); }
    void run_for(Millis time) { queue_.run_for(ledger_, time); }
    // The recipient is in line or in a delivery.
    void set_in_motion(queue::MessageHandle message, std::uint32_t number) {
        queue_.recipient(message, number).bundle = queue::BundleHandle(0);
    }
    template <class Type>
    std::size_t count(std::string_view subject = {}) const {
        return queue_.events.count<Type>(subject);
    }

    world::BareQueue queue_;
    queue::MessageId id_ = 0;  // of the message that was added last
    std::vector<queue::MessageId> queued_reports_;
    struct Damaged {
        std::shared_ptr<const queue::Message> content;
        std::string reason;
    };
    std::vector<Damaged> damaged_;
    bool is_dsn_passed_on_ = false;
    bool waits_for_outage_ = false;
    Ledger ledger_{
        queue_.context,
        queue_.ledger_parts(),
        {.on_report =
             [this](std::shared_ptr<const queue::Message> report) {
                 queued_reports_.push_back(report->id);
             },
         .on_damaged = [this](queue::MessageHandle,
                              const std::shared_ptr<const queue::Message>& content,
                              const std::string& reason) { damaged_.push_back({content, reason}); },
         .reason_of =
             [](const auto&) { return DeliveryError{.status = {4, 4, 1}, .text = "it is down"}; },
         .waits_for_outage = [this](const auto&) { return waits_for_outage_; }}};
};

TEST_F(LedgerAlone,
       takes_a_message_out_of_the_queue_and_the_store_when_its_last_recipient_is_served) {
    const auto message = add(mail_to({"bob@them.example", "carl@them.example"}));
    queue_.agenda.set_now(queue_.agenda.now() + 3s);
    settle(message, {{0, Kind::delivered}});
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1"));
    EXPECT_EQ(queue_.stored(id_, 0).phase, RecipientPhase::delivered);
    EXPECT_EQ(queue_.stored(id_, 0).attempts, 1u);
    EXPECT_EQ(queue_.stored(id_, 0).last_attempt, queue_.agenda.now());
    EXPECT_EQ(queue_.stored(id_, 1).phase, RecipientPhase::pending);
    EXPECT_TRUE(queue_.is_queued(id_));
    EXPECT_EQ(count<events::Completed>(), 0u);
    settle(message, {{1, Kind::delivered}});
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1"));
    EXPECT_FALSE(queue_.is_queued(id_));
    EXPECT_EQ(count<events::Delivered>("bob@"), 1u);
    EXPECT_EQ(count<events::Delivered>("carl@"), 1u);
    EXPECT_EQ(count<events::Completed>(), 1u);
    EXPECT_EQ(queue_.totals.delivered_total, 2u);
    EXPECT_EQ(queue_.latencies.delivery.count(), 2u);
    EXPECT_EQ(queue_.latencies.delivery.sum, Millis{6s});
    EXPECT_EQ(queue_.copies.bytes(), 0u);
    EXPECT_THAT(queue_.reports, IsEmpty());
}

TEST_F(LedgerAlone, writes_a_deferral_with_its_error_and_its_next_attempt) {
    const auto message = add();
    settle(message, Kind::deferred);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1"));
    const auto& state = queue_.stored(id_);
    EXPECT_EQ(state.phase, RecipientPhase::pending);
    EXPECT_EQ(state.attempts, 1u);
    EXPECT_EQ(state.last_error.text, "mailbox full");
    EXPECT_EQ(state.next_due, queue_.agenda.now() + 1min);
    EXPECT_FALSE(state.in_doubt);
    EXPECT_EQ(queue_.scheduler.next_wakeup(), queue_.agenda.now() + 1min);
    EXPECT_EQ(count<events::Deferred>("bob@them.example"), 1u);
    EXPECT_EQ(queue_.totals.deferred_total, 1u);
    const auto tried = queue_.history.of(message).recipients.at(0);
    ASSERT_THAT(tried, SizeIs(1));
    EXPECT_EQ(tried[0].kind, AttemptView::Kind::charged);
    EXPECT_EQ(queue_.copies.bytes(), 0u) << "it waits on the disk";
}

TEST_F(LedgerAlone, writes_that_a_message_may_have_arrived_and_reports_it_with_a_later_failure) {
    const auto message = add();
    settle(message, Kind::in_doubt);
    EXPECT_TRUE(queue_.stored(id_).in_doubt);
    EXPECT_EQ(count<events::InDoubt>(), 1u);
    EXPECT_EQ(count<events::Deferred>(), 0u);
    EXPECT_EQ(queue_.totals.in_doubt_total, 1u);
    EXPECT_EQ(queue_.history.of(message).recipients.at(0).at(0).kind, AttemptView::Kind::in_doubt);
    settle(message, Kind::failed);
    run_for(1s);
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_TRUE(queue_.reports[0].outcomes.at(0).is_in_doubt);
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).attempts, 2u);
}

TEST_F(LedgerAlone, ends_a_message_in_the_same_step_as_its_report) {
    const auto message = add();
    settle(message, Kind::failed);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1 +2"));
    EXPECT_THAT(queued_reports_, ElementsAre(2));
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].kind, ReportKind::failure);
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).error.text, "no mailbox");
    EXPECT_EQ(queue_.reports[0].head, "Subject: hello\r\n\r\nhello\r\n");
    EXPECT_FALSE(queue_.is_queued(id_));
    EXPECT_EQ(count<events::Failed>("bob@them.example 5.1.1"), 1u);
    EXPECT_EQ(count<events::ReportQueued>("2 about 1"), 1u);
    EXPECT_EQ(queue_.totals.failed_total, 1u);
    EXPECT_THAT(queue_.endings.find({.id = id_, .address = {}, .domain = {}}, 10), SizeIs(1));
}

TEST_F(LedgerAlone, keeps_a_failure_pending_for_a_minute_while_another_recipient_waits) {
    const auto message = add(mail_to({"bob@them.example", "carl@them.example"}));
    settle(message, {{0, Kind::failed}});
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1"));
    EXPECT_EQ(queue_.stored(id_, 0).phase, RecipientPhase::pending);
    EXPECT_EQ(queue_.stored(id_, 0).last_error.text, "no mailbox");
    EXPECT_TRUE(queue_.stored(id_, 0).last_error.is_permanent()) << "a restart knows it by this";
    EXPECT_TRUE(ledger_.is_idle());
    EXPECT_EQ(ledger_.next_wakeup(), queue_.agenda.now() + 1min);
    EXPECT_EQ(queue_.scheduler.check(), "");
    run_for(1min - 1ms);
    EXPECT_THAT(queue_.reports, IsEmpty());
    run_for(2ms);
    EXPECT_THAT(queue_.reports.at(0).addresses, ElementsAre("bob@them.example"));
    EXPECT_EQ(queue_.stored(id_, 0).phase, RecipientPhase::failed);
    EXPECT_EQ(queue_.stored(id_, 1).phase, RecipientPhase::pending);
    EXPECT_THAT(queued_reports_, ElementsAre(2));
    EXPECT_EQ(queue_.scheduler.check(), "");
}

TEST_F(LedgerAlone, gathers_failures_for_ten_minutes_while_other_recipients_are_under_way) {
    const auto message = add(mail_to({"bob@them.example", "carl@them.example"}));
    set_in_motion(message, 1);
    settle(message, {{0, Kind::failed}});
    run_for(10min - 1ms);
    EXPECT_THAT(queue_.reports, IsEmpty());
    run_for(2ms);
    EXPECT_THAT(queue_.reports, SizeIs(1));
}

TEST_F(LedgerAlone, does_not_wait_for_recipients_whose_destination_is_down) {
    waits_for_outage_ = true;
    const auto message = add(mail_to({"bob@them.example", "carl@them.example"}));
    set_in_motion(message, 1);
    settle(message, {{0, Kind::failed}});
    run_for(1min + 1ms);
    EXPECT_THAT(queue_.reports, SizeIs(1));
}

TEST_F(LedgerAlone, reports_all_failures_together_when_no_recipient_is_left_to_wait_for) {
    const auto message =
        add(mail_to({"bob@them.example", "carl@them.example", "dan@them.example"}));
    settle(message, {{0, Kind::failed}, {2, Kind::delivered}});
    run_for(30s);
    settle(message, {{1, Kind::failed}});
    run_for(1ms);
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_THAT(queue_.reports[0].addresses, ElementsAre("bob@them.example", "carl@them.example"));
    EXPECT_FALSE(queue_.is_queued(id_));
    EXPECT_EQ(ledger_.next_wakeup(), std::nullopt);
}

TEST_F(LedgerAlone, reports_at_once_what_an_administrator_gives_up_with_what_was_gathered) {
    const auto message =
        add(mail_to({"bob@them.example", "carl@them.example", "dan@them.example"}));
    settle(message, {{0, Kind::failed}});
    settle(message, {{1, Kind::bounced}});
    run_for(1ms);
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_THAT(queue_.reports[0].addresses, ElementsAre("bob@them.example", "carl@them.example"));
    EXPECT_EQ(queue_.stored(id_, 1).attempts, 0u) << "no host was asked";
    EXPECT_TRUE(queue_.is_queued(id_));
}

TEST_F(LedgerAlone, gives_up_a_deferred_recipient_whose_lifetime_is_over) {
    const auto message = add();
    queue_.agenda.set_now(queue_.agenda.now() + 5 * 24h);
    settle(message, Kind::deferred);
    run_for(1ms);
    EXPECT_FALSE(queue_.is_queued(id_));
    EXPECT_EQ(count<events::Deferred>(), 1u);
    EXPECT_EQ(count<events::Expired>(), 1u);
    EXPECT_EQ(queue_.totals.expired_total, 1u);
    EXPECT_EQ(queue_.totals.failed_total, 0u);
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_TRUE(queue_.reports[0].outcomes.at(0).has_expired);
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).error.status, (EnhancedStatus{4, 2, 2}));
}

TEST_F(LedgerAlone, says_5_4_7_of_mail_that_was_to_be_returned_at_a_time_of_the_senders) {
    queue::Requests requests;
    requests.deliver_by = {.mode = ByMode::give_back, .at = queue_.agenda.now() + 1h};
    const auto message = add({.requests = requests, .is_in_memory = true});
    queue_.agenda.set_now(queue_.agenda.now() + 1h);
    settle(message, Kind::expired);
    run_for(1ms);
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).error.status, (EnhancedStatus{5, 4, 7}));
}

TEST_F(LedgerAlone, drops_the_report_that_its_sender_cannot_get_or_does_not_want) {
    settle(add({.from = "", .is_in_memory = true}), Kind::failed);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1"));
    EXPECT_EQ(count<events::ReportDropped>("bob@them.example null sender"), 1u);
    settle(add({.notify = queue::notify_never, .is_in_memory = true}), Kind::failed);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 2"));
    EXPECT_EQ(count<events::ReportDropped>("bob@them.example not wanted"), 1u);
    EXPECT_THAT(queue_.reports, IsEmpty());
    EXPECT_EQ(queue_.totals.failed_total, 2u);
    EXPECT_THAT(queue_.endings.find({}, 10), SizeIs(2)) << "administrators ask about them";
}

TEST_F(LedgerAlone, reports_a_success_that_the_next_hop_does_not_report_itself) {
    const Mail mail{.notify = queue::notify_success, .is_in_memory = true};
    settle(add(mail), Kind::delivered);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1 +2"));
    EXPECT_EQ(queue_.reports.at(0).kind, ReportKind::relayed);
    is_dsn_passed_on_ = true;
    settle(add(mail), Kind::delivered);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 3"));
}

TEST_F(LedgerAlone, reads_the_head_of_a_large_body_before_it_reports_the_failure) {
    const auto message = add({.is_large = true, .is_in_memory = true});
    settle(message, Kind::failed);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1"));
    EXPECT_EQ(queue_.stored(id_).phase, RecipientPhase::pending);
    EXPECT_FALSE(ledger_.is_idle());
    EXPECT_EQ(queue_.scheduler.check(), "");
    run_for(1ms);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1 +2"));
    EXPECT_EQ(queue_.reports.at(0).head, "Subject: hello\r\n\r\nhello\r\n");
    EXPECT_TRUE(ledger_.is_idle());
}

TEST_F(LedgerAlone, makes_a_report_later_if_the_store_cannot_give_the_message_now) {
    const auto message = add({});
    queue_.store.read_error = {queue::StoreError::Kind::no_resources, "too many open files"};
    settle(message, Kind::failed);
    run_for(1s);
    EXPECT_THAT(queue_.reports, IsEmpty());
    EXPECT_EQ(count<events::Unreadable>(), 1u);
    EXPECT_THAT(damaged_, IsEmpty());
    EXPECT_EQ(queue_.scheduler.check(), "");
    queue_.store.read_error.reset();
    run_for(2min);
    EXPECT_THAT(queue_.reports, SizeIs(1));
    EXPECT_FALSE(queue_.is_queued(id_));
}

TEST_F(LedgerAlone, reports_after_a_restart_what_was_given_up_before_it) {
    auto made = queue_.message();
    queue_.store.add(made);
    auto& stored = queue_.store.kept.at(made->id);
    stored.states[0].attempts = 3;
    stored.states[0].last_error = reply_for(Kind::failed);
    const auto message = queue_.scheduler.add(queue::to_queued({stored.message, stored.states}),
                                              queue_.agenda.now());
    ledger_.resume(message);
    queue_.scheduler.rearm(message);
    EXPECT_EQ(ledger_.next_wakeup(), queue_.agenda.now());
    EXPECT_EQ(queue_.scheduler.check(), "");
    EXPECT_FALSE(queue_.recipient(message).is_waiting()) << "it is not tried again";
    run_for(1s);
    EXPECT_THAT(queue_.take_calls(), testing::Contains("finish 1 +2"));
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).attempts, 3u);
    EXPECT_FALSE(queue_.reports[0].outcomes.at(0).has_expired);
    EXPECT_FALSE(queue_.is_queued(1));
}

TEST_F(LedgerAlone, resumes_nothing_of_what_is_still_to_be_tried) {
    auto made = queue_.message();
    queue_.store.add(made);
    auto& stored = queue_.store.kept.at(made->id);
    stored.states[0].last_error = reply_for(Kind::deferred);
    const auto message = queue_.scheduler.add(queue::to_queued({stored.message, stored.states}),
                                              queue_.agenda.now());
    ledger_.resume(message);
    EXPECT_EQ(ledger_.next_wakeup(), std::nullopt);
    EXPECT_TRUE(queue_.recipient(message).is_waiting());
}

TEST_F(LedgerAlone, hands_on_a_damaged_message_with_what_is_known_of_it) {
    const auto message = add({});
    EXPECT_TRUE(ledger_.note_unreadable(message, {queue::StoreError::Kind::corrupt, "checksum"}));
    ASSERT_THAT(damaged_, SizeIs(1));
    EXPECT_EQ(damaged_[0].content->envelope.reverse_path, "ann@office.example");
    EXPECT_EQ(damaged_[0].content->envelope.recipients.at(0).address, "?@them.example");
    EXPECT_EQ(count<events::Unreadable>("1"), 1u);
    const auto whole = queue_.message();
    EXPECT_TRUE(
        ledger_.note_unreadable(message, {queue::StoreError::Kind::corrupt, "checksum"}, whole));
    EXPECT_EQ(damaged_.at(1).content, whole);
}

TEST_F(LedgerAlone, keeps_a_message_that_the_store_says_it_does_not_have) {
    const auto message = add({});
    for (const auto kind : {queue::StoreError::Kind::not_found, queue::StoreError::Kind::broken,
                            queue::StoreError::Kind::no_resources})
        EXPECT_FALSE(ledger_.note_unreadable(message, {kind, "no such message"}));
    EXPECT_THAT(damaged_, IsEmpty());
    EXPECT_TRUE(queue_.is_queued(id_));
    EXPECT_EQ(count<events::Unreadable>(), 3u);
}

TEST_F(LedgerAlone, sends_one_notice_when_the_time_that_the_sender_gave_has_passed) {
    queue::Requests requests;
    requests.deliver_by = {.mode = ByMode::notify, .at = queue_.agenda.now() + 1h};
    const auto message = add({.requests = requests, .is_in_memory = true});
    ledger_.send_late_notice(message);
    EXPECT_THAT(queue_.take_calls(), IsEmpty()) << "the time has not passed";
    queue_.agenda.set_now(queue_.agenda.now() + 1h);
    ledger_.send_late_notice(message);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1 +2"));
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].kind, ReportKind::delay);
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).error.text, "it is down");
    EXPECT_EQ(queue_.reports[0].outcomes.at(0).error.status, (EnhancedStatus{4, 4, 7}));
    EXPECT_TRUE(queue_.stored(id_).told_late);
    ledger_.send_late_notice(message);
    EXPECT_THAT(queue_.reports, SizeIs(1));
}

TEST_F(LedgerAlone, writes_what_an_order_has_changed_and_ends_the_message_with_its_last_recipient) {
    const auto message = add(mail_to({"bob@them.example", "carl@them.example"}));
    auto& table = queue_.scheduler.table();
    const auto cancel = [&](std::uint32_t number) {
        table.set_phase(table.message(message), queue_.recipient(message, number),
                        RecipientPhase::cancelled);
        ledger_.commit(message);
    };
    cancel(0);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("update 1"));
    EXPECT_EQ(queue_.stored(id_, 0).phase, RecipientPhase::cancelled);
    cancel(1);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1"));
    EXPECT_FALSE(queue_.is_queued(id_));
}

TEST_F(LedgerAlone, drops_a_message_without_a_word_to_the_store) {
    const auto message = add(mail_to({"bob@them.example", "carl@them.example"}));
    settle(message, {{0, Kind::failed}});
    (void)queue_.take_calls();
    ledger_.drop(message);
    EXPECT_FALSE(queue_.is_queued(id_));
    EXPECT_EQ(ledger_.next_wakeup(), std::nullopt) << "what was gathered is forgotten, too";
    EXPECT_THAT(queue_.take_calls(), IsEmpty());
    EXPECT_EQ(queue_.copies.bytes(), 0u);
}

}  // namespace
}  // namespace mta::outbound
