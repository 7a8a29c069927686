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

// The queue, and what happens to each recipient next and when: an attempt, a delay notice, the
// expiry. The scheduler only decides. tick() returns what is due; other parts route, deliver and
// report.
//
// A recipient is in one of these places. Each has a clock or an owner, so nothing can be forgotten:
//   waiting     (is_waiting) for its due time
//   in motion   (it has a bundle) in a line or a delivery; its owner is the part that made it
//   reported    (is_reported) given up, the report is being made; its owner is the reporter
//   held        for an operator
//   done        not open
// Expiry and delay notices run in the first two and in `held`. A delivery under way may end first.
//
// Nothing expires by time alone. A recipient whose lifetime is over is given up only if it was
// tried in vain in this process's life, and since the clock last leapt: by an attempt of its own,
// or by one of its destination or its domain's DNS while it waited for that (HasFailed). So mail of
// a relay that was off for days, from a backup or from an import is due at once, and expires when
// that attempt fails. Mail that waits for its destination's hours, for its turn or for an operator
// goes on waiting. Only a time that the sender has set (DELIVERBY with by-mode R) ends a message
// whether it was tried or not.
//
// Loading corrects times that a wrong clock has made: an arrival or a last attempt in the future
// becomes now, and so does a next attempt that is farther away than the schedule could put it
// (longest_wait()).
//
// Retries are spread by message: recipients that are deferred together come back together, as one
// bundle for each destination.
//
// What few senders ask for (mta::Requests): mail with a release time waits until then, and its
// lifetime begins then. Mail with a time at which to give up expires then. A sender that asks for a
// notice of lateness gets one, besides the usual delay notices.
//
// After any change to a message's recipients the caller calls rearm() for the message, once.
//
// Each firing of a message's timer is a walk over its recipients, so the timers of messages with
// very many are coarse: a tenth of a second for ten thousand.
class Scheduler {
public:
    // The lifetime of the route that a domain takes, if it has one of its own.
    using LifetimeOf = std::function<std::optional<mta::Millis>(std::string_view domain)>;

    // The time before which no delay notice about a recipient is due, whatever the message's age.
    using NoticeNotBefore =
        std::function<mta::Instant(const MessageEntry& message, const RecipientEntry& recipient)>;

    // Of a recipient in a bundle: whether an attempt of what the bundle waits for has failed since
    // the bundle is there. If it is null, none has ever failed.
    using HasFailed = std::function<bool(const RecipientEntry& recipient)>;

    Scheduler(RetryPolicy policy, LifetimeOf lifetime_of, std::uint64_t seed, mta::Instant now);

    [[nodiscard]] MessageTable& table() { return table_; }
    [[nodiscard]] const MessageTable& table() const { return table_; }

    // Asks for lifetimes anew and rearms every message, which costs a walk over the queue.
    void set_policy(RetryPolicy policy);
    // Its result may grow as time goes by. When it falls, the caller rearms the messages concerned;
    // otherwise their notices come a little late.
    void set_notice_not_before(NoticeNotBefore not_before) {
        notice_not_before_ = std::move(not_before);
    }
    void set_has_failed(HasFailed has_failed) { has_failed_ = std::move(has_failed); }
    [[nodiscard]] const RetryPolicy& policy() const { return policy_; }

    // ---- Messages ----

    // Adds new mail, due at once or at its release. The caller arms its timer with rearm().
    MessageHandle add(const Message& message);
    // Adds mail that was queued before.
    MessageHandle add(const QueuedMessage& message, mta::Instant now);
    void remove(MessageHandle message);

    // ---- Time ----

    // Messages of which at least one recipient has expired, waits for a due delay notice, or is due
    // for an attempt. The caller serves them in this order, and rearms each.
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
    // The same after a change to these recipients only, without a look at the others. The timer may
    // then fire for nothing, but never too late.
    void rearm(MessageHandle message, std::span<const std::uint32_t> numbers);
    // The clock has leapt forward: attempts from before it count no more, nor do attempts that the
    // leap ends between these two calls. The second call costs a walk over the queue.
    void begin_leap() { is_leaping_ = true; }
    void follow_leap(mta::Instant now);
    // For tests: checks, by a walk over the queue, that every open recipient has a timer or an
    // owner. Returns what is wrong; empty if nothing is.
    [[nodiscard]] std::string check() const;

    [[nodiscard]] mta::Instant expiry(const MessageEntry& message,
                                      const RecipientEntry& recipient) const;
    // Whether its lifetime is over, and it may be given up for that.
    [[nodiscard]] bool has_expired(const MessageEntry& message, const RecipientEntry& recipient,
                                   mta::Instant now) const;
    [[nodiscard]] bool is_delay_notice_due(const MessageEntry& message,
                                           const RecipientEntry& recipient, mta::Instant now) const;
    // Whether the notice that DELIVERBY asks for is due.
    [[nodiscard]] bool is_late_notice_due(const MessageEntry& message,
                                          const RecipientEntry& recipient, mta::Instant now) const;
    // Whether it waits for the release time that its sender asked for.
    [[nodiscard]] bool waits_for_release(const MessageEntry& message,
                                         const RecipientEntry& recipient) const;
    // Whether the time by which to deliver it has passed, if its sender asked for this mode.
    [[nodiscard]] bool is_late(const MessageEntry& message, mta::ByMode mode,
                               mta::Instant now) const;
    // When its lifetime and its age begin: at its arrival, or at its release.
    [[nodiscard]] mta::Instant life_begin(const MessageEntry& message) const;
    // Whether it is open, its sender wants delay notices, and not all ages have had theirs.
    [[nodiscard]] bool may_get_delay_notice(const MessageEntry& message,
                                            const RecipientEntry& recipient) const;
    // Records that a notice was sent. Those for ages that have passed count as sent too, even if
    // the sender did not want them.
    void count_delay_notice(const MessageEntry& message, RecipientEntry& recipient,
                            mta::Instant now) const;

    // ---- Outcomes of an attempt ----

    // The remote has answered about this message or recipient: counts as an attempt. `hint`: the
    // wait that the answer asks for (greylisting), which overrides the schedule (hinted_delay()).
    void defer(const MessageEntry& message, RecipientEntry& recipient,
               const mta::DeliveryError& error, mta::Instant now,
               std::optional<mta::Millis> hint = std::nullopt);
    // The attempt came to nothing through no fault of the message: it is not charged. Such attempts
    // have growing pauses of their own, since a message that makes hosts hang up must not do so
    // without end.
    void postpone(const MessageEntry& message, RecipientEntry& recipient, mta::Instant now);
    // The remote has answered for good, and conclude() is still to come: counts as an attempt.
    static void count_attempt(RecipientEntry& recipient, mta::Instant now);
    // An end that an answer brought: delivered, failed or expired.
    void conclude(MessageEntry& message, RecipientEntry& recipient, RecipientPhase phase,
                  const mta::DeliveryError* error, mta::Instant now);

    // When it will be given up if nothing changes. Empty if it has outlived its expiry untried, and
    // waits for an attempt.
    [[nodiscard]] std::optional<mta::Instant> gives_up_at(const MessageEntry& message,
                                                          const RecipientEntry& recipient) const;

    // A random number in [-1, 1].
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
    mta::Instant now_;  // of the last call that named a time
    bool is_leaping_ = false;
    MessageTable table_;
    mta::HandleTimers<MessageHandle> timers_;
};

}  // namespace queue
