#include "queue/scheduler.h"

#include <map>
#include <random>
#include <set>

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
    MessageHandle add(std::vector<Recipient> recipients, const std::string& from = "a@b",
                      std::span<const RecipientState> states = {}) {
        return add(std::move(recipients), Requests{}, from, states);
    }
    MessageHandle add(std::vector<Recipient> recipients, const Requests& requests,
                      const std::string& from = "a@b",
                      std::span<const RecipientState> states = {}) {
        Message message;
        message.envelope.requests = requests;
        message.id = ++last_id;
        message.arrival = now;
        message.envelope.reverse_path = from;
        message.envelope.recipients = std::move(recipients);
        const auto index = scheduler.add(
            to_queued({std::make_shared<const Message>(message), {states.begin(), states.end()}}),
            now);
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
            seen.push_back("expired " + std::to_string(message.index()));
        for (const auto message : work.delayed)
            seen.push_back("delayed " + std::to_string(message.index()));
        for (const auto message : work.due)
            seen.push_back("due " + std::to_string(message.index()));
        return seen;
    }
    RecipientEntry& entry(MessageHandle message, std::uint32_t number = 0) {
        return scheduler.table().recipients(message)[number];
    }
    MessageEntry& message(MessageHandle handle) { return scheduler.table().message(handle); }

    Instant now = start;
    MessageId last_id = 0;
    Scheduler scheduler{policy, lifetime_of, 1, start};
};

using Seen = std::vector<std::string>;

TEST_F(SchedulerTest, new_mail_is_due_at_once) {
    const auto index = add({to("them.example")});
    EXPECT_EQ(work_until(now), Seen{"due " + std::to_string(index.index())});
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
    entry(index, 0).bundle = BundleHandle(7);  // in a line
    scheduler.table().set_phase(message(index), entry(index, 1), RecipientPhase::held);
    entry(index, 2).bundle = BundleHandle(8);
    entry(index, 2).is_delivering = true;
    entry(index, 3).due = start + 47h;
    for (auto& recipient : scheduler.table().recipients(index)) {
        recipient.delay_notices = 2;
        recipient.is_tried = true;
    }
    scheduler.rearm(index);
    work_until(start + 47h);
    scheduler.rearm(index);
    EXPECT_EQ(work_until(start + 48h), Seen{"expired " + std::to_string(index.index())});
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

TEST_F(SchedulerTest, mail_to_be_released_later_waits_and_lives_from_then_on) {
    const auto index = add({to("them.example")}, {.release = start + 72h});
    EXPECT_TRUE(scheduler.waits_for_release(message(index), entry(index)));
    EXPECT_EQ(scheduler.expiry(message(index), entry(index)), start + 72h + 48h);
    EXPECT_FALSE(scheduler.is_delay_notice_due(message(index), entry(index), start + 72h));
    EXPECT_TRUE(work_until(start + 72h - 1ms).empty());
    EXPECT_EQ(work_until(start + 72h), Seen{"due " + std::to_string(index.index())});
    EXPECT_TRUE(scheduler.is_delay_notice_due(message(index), entry(index), start + 76h));
    scheduler.count_delay_notice(message(index), entry(index), start + 76h);
    EXPECT_EQ(entry(index).delay_notices, 1);
    scheduler.defer(message(index), entry(index), later, now);
    scheduler.rearm(index);
    EXPECT_FALSE(scheduler.waits_for_release(message(index), entry(index)));
    EXPECT_EQ(scheduler.check(), "");
}

TEST_F(SchedulerTest, new_mail_waits_for_its_release_as_loaded_mail_does) {
    Message mail;
    mail.id = 99;
    mail.arrival = now;
    mail.envelope.recipients = {to("them.example")};
    mail.envelope.requests.release = start + 1h;
    const auto index = scheduler.add(mail);
    scheduler.rearm(index);
    EXPECT_TRUE(scheduler.waits_for_release(message(index), entry(index)));
    EXPECT_EQ(entry(index).due, start + 1h);
    mail.id = 100;
    mail.envelope.requests.release = start - 1h;
    const auto late = scheduler.add(mail);
    EXPECT_EQ(entry(late).due, start) << "released long ago";
}

TEST_F(SchedulerTest, what_is_to_be_given_back_expires_at_its_time) {
    const auto index =
        add({to("branch.example")}, {.deliver_by = {mta::ByMode::give_back, false, start + 10min}});
    EXPECT_EQ(scheduler.expiry(message(index), entry(index)), start + 10min);
    work_until(now);
    scheduler.defer(message(index), entry(index), later, now);
    EXPECT_EQ(entry(index).due, start + 1min);
    now = start + 5min;
    scheduler.defer(message(index), entry(index), later, now);
    EXPECT_EQ(entry(index).due, start + 10min - 30s) << "clipped to just before the end";
    scheduler.rearm(index);
    EXPECT_FALSE(scheduler.is_late(message(index), mta::ByMode::give_back, start + 10min - 1ms));
    EXPECT_EQ(work_until(start + 10min), Seen{"expired " + std::to_string(index.index())});
    EXPECT_TRUE(scheduler.is_late(message(index), mta::ByMode::give_back, now));
    EXPECT_FALSE(scheduler.is_late(message(index), mta::ByMode::notify, now));
    const auto hasty =
        add({to("them.example")}, {.deliver_by = {mta::ByMode::give_back, false, now + 10s}});
    scheduler.defer(message(hasty), entry(hasty), later, now);
    EXPECT_EQ(entry(hasty).due, now + 8s);
    // A longer time than the lifetime does not prolong it.
    const auto patient =
        add({to("them.example")}, {.deliver_by = {mta::ByMode::give_back, false, start + 1000h}});
    EXPECT_EQ(scheduler.expiry(message(patient), entry(patient)), now + 48h);
}

TEST_F(SchedulerTest, a_sender_who_wants_to_know_is_told_once_that_it_is_late) {
    struct Row {
        std::uint8_t notify;
        std::string from;
        Instant at;
        bool is_told;
    };
    for (const auto& row :
         std::vector<Row>{{notify_unspecified, "a@b", start + 1h, true},
                          {notify_delay | notify_success, "a@b", start + 1h, true},
                          {notify_never, "a@b", start + 1h, false},
                          {notify_failure, "a@b", start + 1h, false},
                          {notify_unspecified, "", start + 1h, false},
                          {notify_unspecified, "a@b", start, false},  // it was late when it came
                          {notify_unspecified, "a@b", start - 1h, false}}) {
        now = start;
        const auto index = add({to("them.example", row.notify)},
                               {.deliver_by = {mta::ByMode::notify, false, row.at}}, row.from);
        entry(index).due = start + 47h;
        scheduler.rearm(index);
        EXPECT_EQ(scheduler.expiry(message(index), entry(index)),
                  start + (row.from.empty() ? 24h : 48h))
            << "it is tried on";
        EXPECT_FALSE(scheduler.is_delay_notice_due(message(index), entry(index), start + 1h - 1ms));
        EXPECT_EQ(scheduler.is_delay_notice_due(message(index), entry(index), start + 1h),
                  row.is_told);
        if (row.is_told) {
            scheduler.count_delay_notice(message(index), entry(index), start + 1h);
            EXPECT_TRUE(entry(index).is_told_late);
            EXPECT_EQ(entry(index).delay_notices, 0) << "the usual ones come besides";
            EXPECT_TRUE(scheduler.table().states(index)[0].told_late);
            EXPECT_FALSE(
                scheduler.is_delay_notice_due(message(index), entry(index), start + 4h - 1ms));
            EXPECT_TRUE(scheduler.is_delay_notice_due(message(index), entry(index), start + 4h));
        }
        scheduler.remove(index);
    }
}

TEST_F(SchedulerTest, what_was_told_is_known_after_a_restart) {
    RecipientState told;
    told.told_late = true;
    told.next_due = start + 4h;
    const std::vector<RecipientState> states = {told};
    const auto index = add({to("them.example")},
                           {.deliver_by = {mta::ByMode::notify, false, start + 1h}}, "a@b", states);
    EXPECT_FALSE(scheduler.is_delay_notice_due(message(index), entry(index), start + 2h));
    EXPECT_EQ(scheduler.table().states(index), states);
}

TEST_F(SchedulerTest, requests_go_with_their_message) {
    const auto urgent = add({to("them.example")}, {.priority = 9});
    const auto usual = add({to("them.example")});
    EXPECT_EQ(scheduler.table().requests(message(urgent)).priority, 9);
    EXPECT_EQ(scheduler.table().requests(message(usual)), Requests{});
    scheduler.remove(urgent);
    const auto next = add({to("them.example")});
    EXPECT_EQ(next, urgent) << "the place is used again";
    EXPECT_EQ(scheduler.table().requests(message(next)), Requests{});
    last_id = 0;  // the first one's id again
    const auto other = add({to("them.example")}, {.priority = -3});
    EXPECT_EQ(scheduler.table().requests(message(other)).priority, -3) << "nothing is left of it";
}

TEST_F(SchedulerTest, forgets_nothing_when_indices_are_used_again) {
    std::mt19937_64 rng(7);
    std::map<MessageId, MessageHandle> alive;
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
    EXPECT_EQ(work_until(start + 30s), Seen{"expired " + std::to_string(index.index())});
}

// Nobody is waited for longer, though only those are looked at who have changed.
TEST_F(SchedulerTest, of_a_message_with_many_recipients_the_timer_never_comes_too_late) {
    std::vector<Recipient> recipients;
    for (int i = 0; i < 500; ++i) recipients.push_back(to("d" + std::to_string(i) + ".example"));
    const auto index = add(std::move(recipients));
    auto& table = scheduler.table();
    const auto& entry = table.message(index);
    ASSERT_EQ(work_until(now), std::vector<std::string>{"due 0"});
    for (std::uint32_t number = 0; number < 500; ++number)
        scheduler.defer(entry, table.recipient(entry, number), later, now);
    scheduler.rearm(index);
    std::mt19937 rng(1);
    for (int step = 0; step < 300; ++step) {
        now += Millis{rng() % 60'000};
        std::vector<std::uint32_t> changed;
        if (work_until(now).empty()) {
            changed = {static_cast<std::uint32_t>(rng() % 500)};
        } else {
            for (std::uint32_t number = 0; number < 500; ++number)
                if (table.recipient(entry, number).due <= now) changed.push_back(number);
            scheduler.rearm(index);
        }
        for (const auto number : changed)
            scheduler.defer(entry, table.recipient(entry, number), later, now);
        scheduler.rearm(index, changed);
        ASSERT_EQ(scheduler.check(), "");
    }
}

TEST_F(SchedulerTest, what_was_not_tried_in_this_life_is_due_at_its_expiry_and_does_not_expire) {
    const auto index = add({to("them.example")});
    entry(index).due = start + 48h;
    entry(index).delay_notices = 2;
    scheduler.rearm(index);
    EXPECT_TRUE(work_until(start + 48h - 1ms).empty());
    EXPECT_EQ(work_until(start + 48h), Seen{"due " + std::to_string(index.index())});
    EXPECT_FALSE(scheduler.has_expired(message(index), entry(index), now));
    EXPECT_EQ(scheduler.gives_up_at(message(index), entry(index)), std::nullopt);
    scheduler.defer(message(index), entry(index), later, now);
    EXPECT_TRUE(scheduler.has_expired(message(index), entry(index), now)) << "that was its last";
}

TEST_F(SchedulerTest, what_has_outlived_its_life_while_the_relay_was_off_is_due_at_once) {
    RecipientState state;
    state.attempts = 9;
    state.next_due = start + 47h;
    state.last_attempt = start + 43h;
    const std::vector<RecipientState> states = {state};
    Message mail;
    mail.id = 1;
    mail.arrival = start;
    mail.envelope.reverse_path = "a@b";
    mail.envelope.recipients = {to("them.example")};
    now = start + 6 * 24h;
    const auto index =
        scheduler.add(to_queued({std::make_shared<const Message>(mail), states}), now);
    scheduler.rearm(index);
    EXPECT_EQ(work_until(now), Seen{"due " + std::to_string(index.index())})
        << "and no delay notice";
    // The message cannot be read: the attempt is put off, and not at once again.
    scheduler.postpone(message(index), entry(index), now);
    scheduler.rearm(index);
    EXPECT_FALSE(scheduler.has_expired(message(index), entry(index), now));
    EXPECT_TRUE(work_until(now + 10s).empty());
    EXPECT_EQ(work_until(now + 20s), Seen{"due " + std::to_string(index.index())});
    scheduler.rearm(index);
    EXPECT_EQ(scheduler.check(), "");
}

TEST_F(SchedulerTest, what_waits_in_a_line_beyond_its_life_expires_once_that_has_failed) {
    bool has_failed = false;
    scheduler.set_has_failed([&](const RecipientEntry& recipient) {
        EXPECT_EQ(recipient.bundle, BundleHandle(7));
        return has_failed;
    });
    // A time of its sender's that is still to come does not change that.
    const Requests by_then = {.deliver_by = {mta::ByMode::give_back, false, start + 30 * 24h}};
    for (const auto& requests : {Requests{}, by_then}) {
        const auto index = add({to("them.example")}, requests);
        entry(index).delay_notices = 2;
        entry(index).bundle = BundleHandle(7);
        scheduler.rearm(index);
    }
    EXPECT_TRUE(work_until(start + 6 * 24h).empty());
    EXPECT_EQ(scheduler.check(), "");
    has_failed = true;
    EXPECT_EQ(scheduler.check(), "");
    EXPECT_EQ(work_until(now + 2min).size(), 2u);
    EXPECT_TRUE(scheduler.has_expired(message(MessageHandle(0)), entry(MessageHandle(0)), now));
    EXPECT_TRUE(scheduler.has_expired(message(MessageHandle(1)), entry(MessageHandle(1)), now));
}

TEST_F(SchedulerTest, what_is_held_and_was_never_tried_waits_for_its_release) {
    const auto index = add({to("them.example")});
    entry(index).delay_notices = 2;
    scheduler.table().set_phase(message(index), entry(index), RecipientPhase::held);
    scheduler.rearm(index);
    EXPECT_TRUE(work_until(start + 60 * 24h).empty());
    EXPECT_EQ(scheduler.next_wakeup(), std::nullopt) << "nothing is polled";
    EXPECT_EQ(scheduler.check(), "");
}

TEST_F(SchedulerTest, a_leap_of_the_clock_makes_all_that_was_tried_untried) {
    const auto index = add({to("them.example")});
    work_until(now);
    scheduler.defer(message(index), entry(index), later, now);
    scheduler.rearm(index);
    now = start + 10 * 24h;
    scheduler.follow_leap(now);
    EXPECT_EQ(work_until(now), Seen{"due " + std::to_string(index.index())});
    scheduler.defer(message(index), entry(index), later, now);
    EXPECT_TRUE(scheduler.has_expired(message(index), entry(index), now));
}

TEST_F(SchedulerTest, times_that_a_wrong_clock_has_made_are_put_right_when_mail_is_loaded) {
    struct Row {
        const char* name;
        Millis arrival;  // these from now on
        RecipientState state;
        Requests requests;
        Millis due;
    };
    const auto made_by = [](std::uint16_t attempts, Millis due, Millis last_attempt) {
        RecipientState made;
        made.attempts = attempts;
        made.next_due = start + due;
        made.last_attempt = start + last_attempt;
        return made;
    };
    for (const auto& row : std::vector<Row>{
             {"a usual retry", -1h, made_by(3, 4h, -1min), {}, 4h},
             {"a retry that a hint has put off", -1h, made_by(3, 5h, -1min), {}, 5h},
             {"a retry from when the clock was two days ahead", -1h, made_by(3, 52h, 48h), {}, 0h},
             {"new mail from then", 48h, made_by(0, 48h, -1000h), {}, 0h},
             {"the same of a smaller error", 2h, made_by(0, 2h, -1000h), {}, 0h},
             {"a retry of such mail", 2h, made_by(1, 2h + 1min, 2h), {}, 2h + 1min},
             {"what is to be released later",
              -1h,
              made_by(0, 72h, -1000h),
              {.release = start + 72h},
              72h}}) {
        SCOPED_TRACE(row.name);
        Message mail;
        mail.id = ++last_id;
        mail.arrival = start + row.arrival;
        mail.envelope.requests = row.requests;
        mail.envelope.recipients = {to("branch.example")};
        const auto index =
            scheduler.add(to_queued({std::make_shared<const Message>(mail), {row.state}}), start);
        EXPECT_EQ(entry(index).due, start + row.due);
        EXPECT_LE(message(index).arrival.get(), start);
        EXPECT_LE(entry(index).last_attempt_s, 1000u * 3600);
        EXPECT_LE(scheduler.expiry(message(index), entry(index)), start + 30 * 24h + 72h);
    }
}

TEST(Scheduler, recipients_that_are_deferred_together_come_back_together) {
    auto spread = policy;
    spread.jitter_percent = 10;
    Scheduler scheduler(spread, [](std::string_view) { return std::nullopt; }, 1, start);
    std::set<Instant> first_retries;
    for (MessageId id = 1; id <= 100; ++id) {
        Message mail;
        mail.id = id;
        mail.arrival = start;
        mail.envelope.recipients.assign(30, {"x@them.example", "them.example", 0, {}});
        const auto index = scheduler.add(mail);
        const auto& entry = scheduler.table().message(index);
        const auto dues_after = [&](const auto& change) {
            std::set<Instant> dues;
            for (auto& recipient : scheduler.table().recipients(index)) {
                change(recipient);
                dues.insert(recipient.due);
            }
            EXPECT_EQ(dues.size(), 1u);
            return *dues.begin();
        };
        const auto due = dues_after([&](auto& to) { scheduler.defer(entry, to, later, start); });
        EXPECT_GE(due, start + 54s);
        EXPECT_LE(due, start + 66s);
        first_retries.insert(due);
        const auto hinted =
            dues_after([&](auto& to) { scheduler.defer(entry, to, later, start, 5min); });
        EXPECT_GE(hinted, start + 5min) << "not earlier than was asked for";
        dues_after([&](auto& to) { scheduler.postpone(entry, to, start); });
    }
    EXPECT_GE(first_retries.size(), 95u) << "messages are spread";
    EXPECT_LT(*first_retries.begin(), start + 56s);
    EXPECT_GT(*first_retries.rbegin(), start + 64s);
}

}  // namespace
}  // namespace queue
