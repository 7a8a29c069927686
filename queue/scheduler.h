#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/handle_timers.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "queue/backoff.h"
#include "queue/message.h"
#include "queue/message_table.h"

namespace queue {

// What is queued, and when each recipient's next thing happens: the next attempt, a delay notice,
// the expiry. It decides; who routes, delivers and reports is told by tick().
//
// A recipient is in one of these places, and each has a clock or an owner, so nothing can be
// forgotten:
//   waiting     (is_waiting) for its due time
//   in motion   (it has a bundle) in a line or a delivery; its owner is the part that made it
//   reported    (is_reported) given up, the report is being made; its owner is the reporter
//   held        for an operator
//   done        not open
// Expiry and delay notices run in the first two and in `held`; a delivery under way is let end.
//
// Nothing expires by time alone. A recipient whose lifetime is over is given up only if it was
// tried in vain in this process's life, and since the clock last leapt: by an attempt of its own,
// or by one of its destination or its domain's DNS while it waited for that (HasFailed). What comes
// from a relay that was off for days, from a backup or from an import is due at once then, and
// expires with the failure of that attempt; what waits for its destination's hours, for its turn or
// for an operator goes on waiting. Only a time that its sender set (DELIVERBY with by-mode R) holds
// whether it was tried or not.
//
// Times that a wrong clock has made are put right when mail is loaded: an arrival or a last attempt
// in the future becomes now, and so does a next attempt farther away than the schedule could put it
// (longest_wait()).
//
// Retries are spread by message: recipients that are deferred together come back together, as one
// bundle for each destination.
//
// Of what few senders ask for (mta::Requests): mail that is held for its release waits until then,
// and its lifetime begins then; what is to be given up at a time of the sender's expires then; one
// who wants to be told that a message is late is told so once, besides the usual delay notices.
//
// After anything was changed about a message's recipients the caller calls rearm() for it, once.
//
// Each firing of a message's timer is a walk over its recipients, so the timers of those with very
// many are coarse: a tenth of a second for ten thousand.
class Scheduler {
public:
    // The lifetime of the route that a domain takes, if it has one of its own.
    using LifetimeOf = std::function<std::optional<mta::Millis>(std::string_view domain)>;

    // A delay notice about a recipient is not due before this, whatever the message's age.
    using NoticeNotBefore =
        std::function<mta::Instant(const MessageEntry& message, const RecipientEntry& recipient)>;

    // Of a recipient in a bundle: whether an attempt of what that waits for has failed since it is
    // there. Null: none ever has.
    using HasFailed = std::function<bool(const RecipientEntry& recipient)>;

    Scheduler(RetryPolicy policy, LifetimeOf lifetime_of, std::uint64_t seed, mta::Instant now);

    [[nodiscard]] MessageTable& table() { return table_; }
    [[nodiscard]] const MessageTable& table() const { return table_; }

    // Asks for lifetimes anew and rearms every message: costs a walk over the queue.
    void set_policy(RetryPolicy policy);
    // May grow later as time goes by; when it falls, the caller rearms whom it concerns, or they
    // hear a little late.
    void set_notice_not_before(NoticeNotBefore not_before) {
        notice_not_before_ = std::move(not_before);
    }
    void set_has_failed(HasFailed has_failed) { has_failed_ = std::move(has_failed); }
    [[nodiscard]] const RetryPolicy& policy() const { return policy_; }

    // ---- Messages ----

    // New mail is due at once. Its timer is not armed yet: rearm().
    MessageHandle add(const Message& message);
    // Mail that was queued before.
    MessageHandle add(const QueuedMessage& message, mta::Instant now);
    void remove(MessageHandle message);

    // ---- Time ----

    // Messages, each with at least one recipient that this holds for. The caller serves
    // expired first, then delayed, then due ones, and rearms each.
    struct Work {
        std::vector<MessageHandle> expired;
        std::vector<MessageHandle> delayed;
        std::vector<MessageHandle> due;
    };
    void tick(mta::Instant now, Work& work);
    // The same for one message, whatever its timer says.
    void examine(MessageHandle message, mta::Instant now, Work& work);
    [[nodiscard]] std::optional<mta::Instant> next_wakeup() const { return timers_.next(); }
    void rearm(MessageHandle message);
    // The same when nobody but these recipients has changed, without a look at the others. The
    // timer may then come for nothing, never too late.
    void rearm(MessageHandle message, std::span<const std::uint32_t> numbers);
    // The clock has leapt forward: whatever was tried before counts no more, nor does what ends
    // because of the leap, between these two calls. The second one costs a walk over the queue.
    void begin_leap() { is_leaping_ = true; }
    void follow_leap(mta::Instant now);
    // Every open recipient has a timer or an owner. For tests: a walk over the queue. Empty: fine;
    // otherwise what is wrong.
    [[nodiscard]] std::string check() const;

    [[nodiscard]] mta::Instant expiry(const MessageEntry& message,
                                      const RecipientEntry& recipient) const;
    // Its lifetime is over, and it may be given up for that.
    [[nodiscard]] bool has_expired(const MessageEntry& message, const RecipientEntry& recipient,
                                   mta::Instant now) const;
    [[nodiscard]] bool is_delay_notice_due(const MessageEntry& message,
                                           const RecipientEntry& recipient, mta::Instant now) const;
    // The same of the notice that DELIVERBY asks for.
    [[nodiscard]] bool is_late_notice_due(const MessageEntry& message,
                                          const RecipientEntry& recipient, mta::Instant now) const;
    // It waits for the release that its sender asked for.
    [[nodiscard]] bool waits_for_release(const MessageEntry& message,
                                         const RecipientEntry& recipient) const;
    // By when it was to be delivered has passed, in that mode.
    [[nodiscard]] bool is_late(const MessageEntry& message, mta::ByMode mode,
                               mta::Instant now) const;
    // When its lifetime, and with it its age, begins: its arrival, or its release.
    [[nodiscard]] mta::Instant life_begin(const MessageEntry& message) const;
    // He is open, wants to hear of delays, and has not heard of all ages.
    [[nodiscard]] bool may_get_delay_notice(const MessageEntry& message,
                                            const RecipientEntry& recipient) const;
    // One was sent. Those for ages that have passed count as sent too, be it that the sender did
    // not want them.
    void count_delay_notice(const MessageEntry& message, RecipientEntry& recipient,
                            mta::Instant now) const;

    // ---- Outcomes of an attempt ----

    // The remote answered about this message or recipient: counts as an attempt. `hint`: the wait
    // that the answer asks for (greylisting), which goes before the schedule's (hinted_delay()).
    void defer(const MessageEntry& message, RecipientEntry& recipient,
               const mta::DeliveryError& error, mta::Instant now,
               std::optional<mta::Millis> hint = std::nullopt);
    // It came to nothing through no fault of the message: not charged, and spaced by its own
    // growing pauses (a message that makes hosts hang up must not do it without end).
    void postpone(const MessageEntry& message, RecipientEntry& recipient, mta::Instant now);
    // The remote has answered for good, and the end is still to come: counts as an attempt.
    static void count_attempt(RecipientEntry& recipient, mta::Instant now);
    // Delivered, failed, expired: an end that an answer brought.
    void conclude(MessageEntry& message, RecipientEntry& recipient, RecipientPhase phase,
                  const mta::DeliveryError* error, mta::Instant now);

    // When it will be given up if nothing changes. Nothing: it has outlived its expiry untried, and
    // waits for an attempt.
    [[nodiscard]] std::optional<mta::Instant> gives_up_at(const MessageEntry& message,
                                                          const RecipientEntry& recipient) const;

    // In [-1, 1].
    [[nodiscard]] double jitter();
    [[nodiscard]] std::mt19937_64& rng() { return rng_; }

private:
    void note_new_domains();
    [[nodiscard]] static mta::Instant timer_for(const MessageEntry& message, mta::Instant event);
    void correct_times(MessageHandle message);
    [[nodiscard]] bool is_tried(const RecipientEntry& recipient) const;
    // In [-1, 1]; the same for all recipients of a message that have come as far (`step`).
    [[nodiscard]] double spread_of(const MessageEntry& message, std::uint32_t step) const;
    [[nodiscard]] mta::Millis lifetime(const MessageEntry& message,
                                       const RecipientEntry& recipient) const;
    [[nodiscard]] mta::Instant next_due(const MessageEntry& message,
                                        const RecipientEntry& recipient, mta::Instant now,
                                        mta::Millis delay) const;
    [[nodiscard]] static bool wants_delay_notice(const MessageEntry& message,
                                                 const RecipientEntry& recipient);
    [[nodiscard]] std::optional<mta::Instant> late_notice(const MessageEntry& message,
                                                          const RecipientEntry& recipient) const;
    [[nodiscard]] std::optional<mta::Instant> next_notice(const MessageEntry& message,
                                                          const RecipientEntry& recipient) const;
    [[nodiscard]] std::optional<mta::Instant> next_event(const MessageEntry& message,
                                                         const RecipientEntry& recipient) const;

    RetryPolicy policy_;
    LifetimeOf lifetime_of_;
    NoticeNotBefore notice_not_before_;
    HasFailed has_failed_;
    std::uint64_t seed_;
    std::mt19937_64 rng_;
    mta::Instant now_;  // as of the last call that said so
    bool is_leaping_ = false;
    MessageTable table_;
    mta::HandleTimers<MessageHandle> timers_;
};

}  // namespace queue
