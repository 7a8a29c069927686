#include "mta/outbound/lifecycle/queue_loading.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/events/message_events.h"
#include "mta/events/recipient_events.h"
#include "tests/outbound/bare_queue.h"

namespace mta::outbound {
namespace {

using namespace std::chrono_literals;
using queue::RecipientPhase;
using queue::StoreError;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const DeliveryError no_mailbox{.status = {5, 1, 1}, .reply_code = 550, .text = "no mailbox"};

class QueueLoadingTest : public testing::Test {
protected:
    // The message was in the store when the relay was stopped.
    world::FakeStore::Kept& keep(const world::BareMail& mail = {}) {
        const auto message = queue_.message(mail);
        queue_.store.add(message);
        return queue_.store.kept.at(message->id);
    }
    queue::QueuedMessage queued(const world::FakeStore::Kept& kept, std::string damage = {}) {
        auto made = queue::to_queued({kept.message, kept.states});
        made.damage = std::move(damage);
        return made;
    }
    void run_for(Millis time) { queue_.run_for(ledger_, time); }
    queue::MessageHandle find(queue::MessageId id) { return queue_.scheduler.table().find(id); }

    world::BareQueue queue_;
    struct Damaged {
        std::string first_address;
        bool had_timer;
    };
    std::vector<Damaged> damaged_;
    std::vector<queue::MessageId> queued_reports_;
    Ledger ledger_{queue_.context,
                   queue_.ledger_parts(),
                   {.on_report = [](const auto&) {},
                    .on_damaged =
                        [this](queue::MessageHandle, const auto& content, const std::string&) {
                            damaged_.push_back({content->envelope.recipients.at(0).address,
                                                queue_.scheduler.next_wakeup().has_value()});
                        },
                    .reason_of = [](const auto&) { return DeliveryError{}; },
                    .waits_for_outage = [](const auto&) { return false; }}};
    QueueLoading loading_{queue_.context,
                          {queue_.store, queue_.scheduler, ledger_, queue_.report_writer},
                          [this](const auto& report) { queued_reports_.push_back(report->id); }};
};

TEST_F(QueueLoadingTest, takes_a_message_back_as_it_was_with_the_timer_of_its_next_attempt) {
    auto& kept = keep({.to = {"bob@them.example", "carl@them.example"}});
    kept.states[0].phase = RecipientPhase::delivered;
    kept.states[1].attempts = 2;
    kept.states[1].next_due = queue_.agenda.now() + 10min;
    kept.states[1].last_error = {.status = {4, 2, 2}, .text = "mailbox full"};
    loading_.load(queued(kept));
    const auto message = find(1);
    ASSERT_TRUE(message);
    EXPECT_EQ(queue_.recipient(message, 0).phase, RecipientPhase::delivered);
    EXPECT_EQ(queue_.recipient(message, 1).attempts, 2u);
    EXPECT_EQ(queue_.scheduler.table().error(queue_.recipient(message, 1)).text, "mailbox full");
    EXPECT_EQ(queue_.scheduler.next_wakeup(), queue_.agenda.now() + 10min);
    EXPECT_TRUE(queue_.is_tick_requested);
    EXPECT_THAT(queue_.take_calls(), IsEmpty());
    EXPECT_EQ(queue_.store.reads, 0) << "nothing of it is read before its attempt";
}

TEST_F(QueueLoadingTest, ignores_a_message_that_is_in_the_queue_already) {
    const auto message = queue_.add();
    queue_.recipient(message).attempts = 7;
    loading_.load(queued(queue_.store.kept.at(1)));
    EXPECT_EQ(queue_.scheduler.table().message_count(), 1u);
    EXPECT_EQ(queue_.recipient(message).attempts, 7u);
}

TEST_F(QueueLoadingTest, finishes_what_has_no_recipient_or_no_open_one) {
    auto& kept = keep();
    auto empty = queued(kept);
    empty.recipients.clear();
    loading_.load(empty);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1"));
    EXPECT_FALSE(queue_.is_tick_requested);
    auto& done = keep();
    done.states[0].phase = RecipientPhase::delivered;
    loading_.load(queued(done));
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 2"));
    EXPECT_EQ(queue_.scheduler.table().message_count(), 0u);
}

TEST_F(QueueLoadingTest, resumes_the_report_of_what_was_given_up_before_the_stop) {
    auto& kept = keep();
    kept.states[0].last_error = no_mailbox;
    loading_.load(queued(kept));
    EXPECT_EQ(ledger_.next_wakeup(), queue_.agenda.now());
    EXPECT_EQ(queue_.scheduler.check(), "");
    run_for(1s);
    EXPECT_THAT(queue_.reports, SizeIs(1));
    EXPECT_FALSE(find(1));
}

TEST_F(QueueLoadingTest, returns_a_damaged_message_by_its_envelope_without_an_attempt) {
    loading_.load(queued(keep(), "the body's checksum is wrong"));
    ASSERT_TRUE(find(1));
    EXPECT_EQ(queue_.scheduler.next_wakeup(), std::nullopt) << "no attempt before it is returned";
    EXPECT_THAT(damaged_, IsEmpty());
    run_for(1ms);
    ASSERT_THAT(damaged_, SizeIs(1));
    EXPECT_EQ(damaged_[0].first_address, "bob@them.example");
    EXPECT_TRUE(damaged_[0].had_timer);
    EXPECT_EQ(queue_.events.count<events::Unreadable>("1"), 1u);
}

TEST_F(QueueLoadingTest,
       returns_a_damaged_message_by_what_the_queue_knows_if_its_envelope_is_lost) {
    loading_.load(queued(keep(), "the envelope's checksum is wrong"));
    queue_.store.read_error = {StoreError::Kind::corrupt, "checksum"};
    run_for(1ms);
    ASSERT_THAT(damaged_, SizeIs(1));
    EXPECT_EQ(damaged_[0].first_address, "?@them.example");
}

TEST_F(QueueLoadingTest, leaves_a_damaged_message_to_its_attempt_if_the_store_cannot_read_now) {
    loading_.load(queued(keep(), "the body's checksum is wrong"));
    queue_.store.read_error = {StoreError::Kind::no_resources, "too many open files"};
    run_for(1ms);
    EXPECT_THAT(damaged_, IsEmpty());
    ASSERT_TRUE(queue_.scheduler.next_wakeup());
    EXPECT_LE(*queue_.scheduler.next_wakeup(), queue_.agenda.now()) << "it is due";
    EXPECT_EQ(queue_.scheduler.check(), "");
}

TEST_F(QueueLoadingTest, forgets_the_damage_of_a_message_that_has_left_the_queue) {
    loading_.load(queued(keep(), "the body's checksum is wrong"));
    ledger_.drop(find(1));
    run_for(1ms);
    EXPECT_THAT(damaged_, IsEmpty());
    EXPECT_EQ(queue_.events.count<events::Unreadable>(), 0u);
}

class TooManyRecipients : public QueueLoadingTest {
protected:
    // One more than a message can have.
    world::FakeStore::Kept& keep_too_many(std::string from = "ann@office.example") {
        world::BareMail mail{.from = std::move(from), .to = {}};
        mail.to.resize(queue::recipients_max + 1, "bob@them.example");
        mail.to[0] = "carl@them.example";
        return keep(mail);
    }
    std::size_t failed() const { return queue_.events.count<events::Failed>(); }
};

TEST_F(TooManyRecipients, are_returned_in_one_report_except_those_that_are_served) {
    auto& kept = keep_too_many();
    for (std::size_t i = 2; i < kept.states.size(); ++i)
        kept.states[i].phase = RecipientPhase::delivered;
    loading_.load(queued(kept));
    EXPECT_EQ(queue_.scheduler.table().message_count(), 0u) << "the queue has no room for it";
    run_for(1ms);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1 +2"));
    ASSERT_THAT(queue_.reports, SizeIs(1));
    EXPECT_EQ(queue_.reports[0].kind, ReportKind::failure);
    EXPECT_THAT(queue_.reports[0].addresses, ElementsAre("carl@them.example", "bob@them.example"));
    EXPECT_EQ(queue_.reports[0].outcomes[0].error.status, (EnhancedStatus{5, 3, 0}));
    EXPECT_THAT(queued_reports_, ElementsAre(2));
    EXPECT_EQ(failed(), 2u);
}

TEST_F(TooManyRecipients, of_the_null_sender_fail_without_a_report) {
    loading_.load(queued(keep_too_many("")));
    run_for(1ms);
    EXPECT_THAT(queue_.take_calls(), ElementsAre("finish 1"));
    EXPECT_THAT(queue_.reports, IsEmpty());
    EXPECT_EQ(failed(), queue::recipients_max + 1);
}

TEST_F(TooManyRecipients, stay_in_the_store_if_the_message_cannot_be_read) {
    loading_.load(queued(keep_too_many()));
    queue_.store.read_error = {StoreError::Kind::corrupt, "checksum"};
    run_for(1ms);
    EXPECT_THAT(queue_.take_calls(), IsEmpty());
    EXPECT_EQ(queue_.events.count<events::Unreadable>("1"), 1u);
    EXPECT_EQ(failed(), 0u);
}

}  // namespace
}  // namespace mta::outbound
