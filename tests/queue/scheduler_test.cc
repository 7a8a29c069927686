#include "queue/scheduler.h"

#include <random>

#include <gtest/gtest.h>

namespace queue {
namespace {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;

const RetryPolicy policy{.schedule = {1min, 5min, 1h},
                         .max_interval = 4h,
                         .jitter_percent = 0,
                         .lifetime = 48h,
                         .bounce_lifetime = 24h,
                         .delay_notices = {4h, 24h}};
const Instant start{1000h};
const mta::DeliveryError later{.status = {4, 2, 1}, .reply_code = 450, .text = "later"};

class SchedulerTest : public testing::Test {
protected:
    static std::optional<Millis> lifetime_of(std::string_view domain) {
        return domain == "branch.example" ? std::optional<Millis>(30 * 24h) : std::nullopt;
    }
    std::uint32_t add(std::vector<Recipient> recipients, const std::string& from = "a@b",
                      std::span<const RecipientState> states = {}) {
        Message message;
        message.id = ++last_id;
        message.arrival = now;
        message.envelope.reverse_path = from;
        message.envelope.recipients = std::move(recipients);
        const auto index = scheduler.add(
            to_queued({std::make_shared<const Message>(message), {states.begin(), states.end()}}));
        scheduler.rearm(index);
        return index;
    }
    static Recipient to(const std::string& domain, std::uint8_t notify = notify_unspecified) {
        return {"x@" + domain, domain, notify, {}};
    }
    // The things that are to be done up to then, as "due 0", "delayed 3", "expired 1".
    std::vector<std::string> work_until(Instant end) {
        std::vector<std::string> seen;
        Scheduler::Work work;
        now = end;
        scheduler.tick(end, work);
        for (const auto message : work.expired)
            seen.push_back("expired " + std::to_string(message));
        for (const auto message : work.delayed)
            seen.push_back("delayed " + std::to_string(message));
        for (const auto message : work.due) seen.push_back("due " + std::to_string(message));
        return seen;
    }
    RecipientEntry& entry(std::uint32_t message, std::uint32_t number = 0) {
        return scheduler.table().recipients(message)[number];
    }
    MessageEntry& message(std::uint32_t index) { return scheduler.table().message(index); }

    Instant now = start;
    MessageId last_id = 0;
    Scheduler scheduler{policy, lifetime_of, 1, start};
};

using Seen = std::vector<std::string>;

TEST_F(SchedulerTest, new_mail_is_due_at_once) {
    const auto index = add({to("them.example")});
    EXPECT_EQ(work_until(now), Seen{"due " + std::to_string(index)});
    EXPECT_EQ(scheduler.table().find(1), index);
}

TEST_F(SchedulerTest, a_deferred_recipient_waits_for_its_time) {
    const auto index = add({to("them.example")});
    work_until(now);
    scheduler.defer(message(index), entry(index), later, now);
    scheduler.rearm(index);
    EXPECT_EQ(entry(index).attempts, 1);
    EXPECT_EQ(scheduler.table().error(entry(index)), later);
    EXPECT_TRUE(work_until(start + 1min - 1ms).empty());
    EXPECT_EQ(work_until(start + 1min).size(), 1u);
}

TEST_F(SchedulerTest, a_postponed_recipient_is_not_charged) {
    const auto index = add({to("them.example")});
    for (const auto pause : {15s, 30s, 60s}) {
        const auto before = now;
        scheduler.postpone(message(index), entry(index), now);
        EXPECT_NEAR(static_cast<double>((entry(index).due - before).count()),
                    static_cast<double>(Millis(pause).count()),
                    static_cast<double>(Millis(pause).count()) * 0.11);
    }
    EXPECT_EQ(entry(index).attempts, 0);
    scheduler.defer(message(index), entry(index), later, now);
    EXPECT_EQ(entry(index).stalls, 0);
}

TEST_F(SchedulerTest, expiry_runs_in_every_place_but_a_delivery) {
    const auto index = add({to("a.example"), to("b.example"), to("c.example"), to("d.example")});
    entry(index, 0).bundle = 7;  // in a line
    scheduler.table().set_phase(message(index), entry(index, 1), RecipientPhase::held);
    entry(index, 2).bundle = 8;
    entry(index, 2).is_delivering = true;
    entry(index, 3).due = start + 47h;
    for (auto& recipient : scheduler.table().recipients(index)) recipient.delay_notices = 2;
    scheduler.rearm(index);
    work_until(start + 47h);
    scheduler.rearm(index);
    EXPECT_EQ(work_until(start + 48h), Seen{"expired " + std::to_string(index)});
    EXPECT_TRUE(scheduler.has_expired(message(index), entry(index, 0), now));
    EXPECT_TRUE(scheduler.has_expired(message(index), entry(index, 1), now));
    EXPECT_FALSE(scheduler.has_expired(message(index), entry(index, 2), now));
    EXPECT_TRUE(scheduler.has_expired(message(index), entry(index, 3), now));
}

TEST_F(SchedulerTest, lifetimes_by_sender_and_route) {
    const auto usual = add({to("them.example")});
    const auto bounce = add({to("them.example")}, "");
    const auto branch = add({to("branch.example")}, "");
    EXPECT_EQ(scheduler.expiry(message(usual), entry(usual)), start + 48h);
    EXPECT_EQ(scheduler.expiry(message(bounce), entry(bounce)), start + 24h);
    EXPECT_EQ(scheduler.expiry(message(branch), entry(branch)), start + 30 * 24h);
}

TEST_F(SchedulerTest, the_last_attempt_is_clipped_to_just_before_the_expiry) {
    const auto index = add({to("them.example")});
    now = start + 46h;
    entry(index).attempts = 10;
    scheduler.defer(message(index), entry(index), later, now);
    EXPECT_EQ(entry(index).due, start + 48h - 1min);
}

TEST_F(SchedulerTest, delay_notices_come_at_their_ages_to_those_who_want_them) {
    struct Row {
        std::uint8_t notify;
        std::string from;
        bool is_due;
    };
    for (const auto& row : std::vector<Row>{{notify_unspecified, "a@b", true},
                                            {notify_delay, "a@b", true},
                                            {notify_never, "a@b", false},
                                            {notify_failure, "a@b", false},
                                            {notify_unspecified, "", false}}) {
        const auto index = add({to("branch.example", row.notify)}, row.from);
        const auto at = now + 4h;
        EXPECT_FALSE(scheduler.is_delay_notice_due(message(index), entry(index), at - 1ms));
        EXPECT_EQ(scheduler.is_delay_notice_due(message(index), entry(index), at), row.is_due);
        if (!row.is_due) continue;
        scheduler.count_delay_notice(message(index), entry(index), at);
        EXPECT_FALSE(scheduler.is_delay_notice_due(message(index), entry(index), at + 19h));
        EXPECT_TRUE(scheduler.is_delay_notice_due(message(index), entry(index), at + 20h));
        scheduler.count_delay_notice(message(index), entry(index), at + 90h);
        EXPECT_FALSE(scheduler.is_delay_notice_due(message(index), entry(index), at + 100h))
            << "ages that passed unserved are not made up for";
    }
}

TEST_F(SchedulerTest, states_survive_the_way_through_the_store) {
    RecipientState state;
    state.in_doubt = true;
    state.delay_notices = 1;
    state.attempts = 7;
    state.next_due = start + 1h;
    state.last_attempt = start - 5s;
    state.last_error = later;
    RecipientState done;
    done.phase = RecipientPhase::delivered;
    const std::vector<RecipientState> states = {state, done};
    const auto index = add({to("a.example"), to("b.example")}, "a@b", states);
    EXPECT_EQ(scheduler.table().states(index), states);
    EXPECT_EQ(message(index).open_count, 1u);
    EXPECT_TRUE(work_until(start + 1h - 1ms).empty());
    EXPECT_EQ(work_until(start + 1h).size(), 1u);
}

TEST_F(SchedulerTest, forgets_nothing_when_indices_are_used_again) {
    std::mt19937_64 rng(7);
    std::map<MessageId, std::uint32_t> alive;
    for (int step = 0; step < 5000; ++step) {
        if (alive.empty() || rng() % 3 != 0) {
            std::vector<Recipient> recipients(1 + rng() % 5, to("d" + std::to_string(rng() % 20)));
            const auto index = add(std::move(recipients));
            ASSERT_TRUE(alive.emplace(last_id, index).second);
            for (auto& recipient : scheduler.table().recipients(index))
                scheduler.table().set_error(recipient, {.text = std::to_string(rng() % 9)});
        } else {
            const auto victim = std::next(alive.begin(), static_cast<long>(rng() % alive.size()));
            scheduler.remove(victim->second);
            alive.erase(victim);
        }
        ASSERT_EQ(scheduler.table().message_count(), alive.size());
    }
    for (const auto& [id, index] : alive) {
        ASSERT_EQ(scheduler.table().find(id), index);
        ASSERT_EQ(scheduler.table().message(index).id, id);
    }
    EXPECT_EQ(scheduler.check(), "");
    EXPECT_FALSE(scheduler.table().find(999'999));
}

TEST_F(SchedulerTest, notices_what_would_be_stuck) {
    const auto index = add({to("them.example")});
    EXPECT_EQ(scheduler.check(), "");
    entry(index).is_reported = true;
    scheduler.rearm(index);
    EXPECT_NE(scheduler.check(), "");
}

TEST_F(SchedulerTest, a_new_policy_counts_for_old_mail) {
    const auto index = add({to("them.example")});
    work_until(now);
    scheduler.defer(message(index), entry(index), later, now);
    scheduler.rearm(index);
    auto shorter = policy;
    shorter.lifetime = 30s;
    scheduler.set_policy(shorter);
    EXPECT_EQ(work_until(start + 30s), Seen{"expired " + std::to_string(index)});
}

}  // namespace
}  // namespace queue
