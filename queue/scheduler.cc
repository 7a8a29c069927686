#include "queue/scheduler.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "mta/base/earliest.h"

namespace queue {
namespace {

using mta::Instant;
using mta::Millis;

// The pauses after attempts that come to nothing without being charged.
constexpr Millis stall_first{15'000};
// A twentieth of it is two seconds (last_attempt_margin()).
constexpr Millis given_back_span_min{40'000};
// What waits in a line and has outlived its expiry is looked at this often: perhaps its destination
// was tried meanwhile. Messages take it in turns, over `overdue_spread` more.
constexpr Millis overdue_check{30'000};
constexpr Millis overdue_spread{60'000};
// Retries and postponements are counted apart.
constexpr std::uint32_t stall_steps = 1u << 16;

// A message with so few recipients is walked over; a look at some of them would not be cheaper.
constexpr std::uint32_t few_recipients = 16;
// A walk takes about ten nanoseconds a recipient: with this step of the timers, walks take at most
// a thousandth of the time.
constexpr std::uint32_t recipients_per_ms = 100;

std::uint32_t seconds_of(Instant instant) {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(mta::to_unix_ms(instant), 0) / 1000);
}

template <class Number>
void count(Number& number) {
    if (number < std::numeric_limits<Number>::max()) ++number;
}

}  // namespace

Scheduler::Scheduler(RetryPolicy policy, LifetimeOf lifetime_of, std::uint64_t seed, Instant now)
    : policy_(std::move(policy)),
      lifetime_of_(std::move(lifetime_of)),
      seed_(seed),
      rng_(seed),
      now_(now),
      timers_(now) {}

void Scheduler::set_policy(RetryPolicy policy) {
    policy_ = std::move(policy);
    for (const auto handle : table_.domains()) {
        auto& domain = table_.domain(handle);
        if (!domain.name.empty()) domain.lifetime = lifetime_of_(domain.name);
    }
    for (const auto message : table_.messages()) {
        const auto& entry = table_.message(message);
        if (entry.id == 0) continue;
        // A lifetime that has become shorter brings the last attempt with it.
        for (auto& recipient : table_.recipients(message)) {
            const auto last = std::max(expiry(entry, recipient), now_);
            recipient.due = std::min(recipient.due.get(), last);
        }
        rearm(message);
    }
}

void Scheduler::follow_leap(Instant now) {
    is_leaping_ = false;
    now_ = std::max(now_, now);
    for (const auto message : table_.messages()) {
        if (table_.message(message).id == 0) continue;
        for (auto& recipient : table_.recipients(message)) recipient.is_tried = false;
        rearm(message);
    }
}

MessageHandle Scheduler::add(const Message& message) {
    const auto added = table_.add(message);
    note_new_domains();
    return added;
}

MessageHandle Scheduler::add(const QueuedMessage& message, Instant now) {
    now_ = std::max(now_, now);
    const auto added = table_.add(message);
    note_new_domains();
    correct_times(added);
    return added;
}

void Scheduler::correct_times(MessageHandle message) {
    auto& entry = table_.message(message);
    const Instant arrival = entry.arrival;
    entry.arrival = std::min(arrival, now_);
    const auto release = table_.requests(entry).release;
    const auto latest_due = now_ + longest_wait(policy_);
    for (auto& recipient : table_.recipients(message)) {
        recipient.last_attempt_s = std::min(recipient.last_attempt_s, seconds_of(now_));
        const bool waits_for_release = recipient.attempts == 0 && recipient.due == release;
        const bool is_of_arrival = recipient.due == arrival && arrival > now_;
        if (!waits_for_release && (recipient.due > latest_due || is_of_arrival))
            recipient.due = now_;
        const auto last = std::max(expiry(entry, recipient), now_);
        recipient.due = std::min(recipient.due.get(), last);
    }
}

void Scheduler::note_new_domains() {
    for (const auto domain : table_.take_new_domains())
        table_.domain(domain).lifetime = lifetime_of_(table_.domain(domain).name);
}

void Scheduler::remove(MessageHandle message) {
    timers_.clear(message);
    table_.remove(message);
}

void Scheduler::tick(Instant now, Work& work) {
    now_ = std::max(now_, now);
    for (const auto message : timers_.advance(now)) examine(message, now, work);
}

void Scheduler::examine(MessageHandle message, Instant now, Work& work) {
    const auto& entry = table_.message(message);
    bool expired = false;
    bool delayed = false;
    bool due = false;
    for (const auto& recipient : std::as_const(table_).recipients(message)) {
        if (has_expired(entry, recipient, now)) {
            expired = true;
            continue;
        }
        delayed = delayed || is_delay_notice_due(entry, recipient, now);
        due = due || (recipient.is_waiting() && recipient.due <= now);
    }
    if (expired) work.expired.push_back(message);
    if (delayed) work.delayed.push_back(message);
    if (due) work.due.push_back(message);
    if (!expired && !delayed && !due) rearm(message);
}

void Scheduler::rearm(MessageHandle message) {
    const auto& entry = table_.message(message);
    std::optional<Instant> next;
    for (const auto& recipient : std::as_const(table_).recipients(message)) {
        const auto at = next_event(entry, recipient);
        if (at && (!next || *at < *next)) next = at;
    }
    if (next) {
        timers_.set(message, timer_for(entry, *next));
    } else {
        timers_.clear(message);
    }
}

void Scheduler::rearm(MessageHandle message, std::span<const std::uint32_t> numbers) {
    const auto& entry = table_.message(message);
    if (entry.recipient_count <= few_recipients) return rearm(message);
    std::optional<Instant> next;
    for (const auto number : numbers) {
        const auto at = next_event(entry, std::as_const(table_).recipient(entry, number));
        if (at && (!next || *at < *next)) next = at;
    }
    if (!next) return;
    const auto at = timer_for(entry, *next);
    if (!timers_.is_set(message) || at < timers_.time_of(message)) timers_.set(message, at);
}

Instant Scheduler::timer_for(const MessageEntry& message, Instant event) {
    const std::int64_t step = message.recipient_count / recipients_per_ms;
    if (step <= 1) return event;
    const auto ms = mta::to_unix_ms(event);
    return mta::from_unix_ms(ms + (step - ms % step) % step);
}

std::string Scheduler::check() const {
    for (const auto message : table_.messages()) {
        const auto& entry = table_.message(message);
        if (entry.id == 0) continue;
        const auto name = "message " + format_id(entry.id);
        std::uint32_t open = 0;
        for (const auto& recipient : table_.recipients(message)) {
            if (!recipient.is_open()) continue;
            ++open;
            if (recipient.is_reported || recipient.is_delivering) {
                if (recipient.is_reported && entry.reports_under_way == 0)
                    return name + ": waits for a report that nobody makes";
                continue;
            }
            // A delay notice may be late when the reason to put it off is over, and so is the end
            // of a message that has outlived its expiry in a line: both are looked at now and then.
            const auto end = gives_up_at(entry, recipient);
            if (!end && recipient.phase == RecipientPhase::held) continue;
            const auto looked_at = now_ + overdue_check + overdue_spread;
            auto at = end.value_or(Instant::max());
            if (recipient.bundle && expiry(entry, recipient) <= now_)
                at = at <= now_ ? looked_at : std::min(at, looked_at);
            if (recipient.is_waiting()) at = std::min(at, recipient.due.get());
            if (!timers_.is_set(message)) return name + ": a recipient without timer and owner";
            if (timers_.time_of(message) > timer_for(entry, at))
                return name + ": its timer comes too late";
        }
        if (open != entry.open_count) return name + ": miscounted";
        if (open == 0 && entry.reports_under_way == 0) return name + ": done, and still here";
    }
    return {};
}

Millis Scheduler::lifetime(const MessageEntry& message, const RecipientEntry& recipient) const {
    if (const auto own = table_.domain(recipient.domain).lifetime) return *own;
    return message.is_null_sender() ? policy_.bounce_lifetime : policy_.lifetime;
}

Instant Scheduler::life_begin(const MessageEntry& message) const {
    return first_due(message.arrival, table_.requests(message));
}

Instant Scheduler::expiry(const MessageEntry& message, const RecipientEntry& recipient) const {
    const auto end = life_begin(message) + lifetime(message, recipient);
    const auto& by = table_.requests(message).deliver_by;
    return by.mode == mta::ByMode::give_back ? std::min(end, by.at) : end;
}

Instant Scheduler::next_due(const MessageEntry& message, const RecipientEntry& recipient,
                            Instant now, Millis delay) const {
    const auto end = expiry(message, recipient);
    auto span = end - life_begin(message);
    // The last attempt has two seconds left, which it passes on with BY.
    if (table_.requests(message).deliver_by.mode == mta::ByMode::give_back)
        span = std::max(span, given_back_span_min);
    return next_attempt(now, delay, end, span);
}

bool Scheduler::waits_for_release(const MessageEntry& message,
                                  const RecipientEntry& recipient) const {
    if (message.has_requests == 0 || !recipient.is_waiting()) return false;
    // A retry has a time of its own, and so has mail that an operator has released.
    return recipient.due == table_.requests(message).release && recipient.attempts == 0 &&
           recipient.stalls == 0;
}

bool Scheduler::is_late(const MessageEntry& message, mta::ByMode mode, Instant now) const {
    const auto& by = table_.requests(message).deliver_by;
    return by.mode == mode && now >= by.at;
}

bool Scheduler::has_expired(const MessageEntry& message, const RecipientEntry& recipient,
                            Instant now) const {
    if (!recipient.is_open() || recipient.is_delivering || recipient.is_reported) return false;
    return now >= expiry(message, recipient) &&
           (is_tried(recipient) || is_late(message, mta::ByMode::give_back, now));
}

// In this process's life, and since the clock leapt.
bool Scheduler::is_tried(const RecipientEntry& recipient) const {
    if (is_leaping_) return false;
    if (recipient.is_tried) return true;
    return recipient.bundle && has_failed_ && has_failed_(recipient);
}

std::optional<Instant> Scheduler::gives_up_at(const MessageEntry& message,
                                              const RecipientEntry& recipient) const {
    const auto end = expiry(message, recipient);
    if (end > now_ || is_tried(recipient)) return end;
    const auto& by = table_.requests(message).deliver_by;
    return by.mode == mta::ByMode::give_back ? std::optional(by.at) : std::nullopt;
}

bool Scheduler::is_delay_notice_due(const MessageEntry& message, const RecipientEntry& recipient,
                                    Instant now) const {
    // When the lifetime is over, the next report says so, and no delay notice precedes it.
    if (now >= expiry(message, recipient)) return false;
    const auto at = next_notice(message, recipient);
    return at && now >= *at;
}

void Scheduler::count_delay_notice(const MessageEntry& message, RecipientEntry& recipient,
                                   Instant now) const {
    // The notice of lateness does not count as one for an age.
    const int step = is_late_notice_due(message, recipient, now) ? 0 : 1;
    if (is_late(message, mta::ByMode::notify, now)) recipient.is_told_late = true;
    const auto age = now - life_begin(message);
    const auto passed = std::ranges::count_if(policy_.delay_notices,
                                              [age](Millis notice) { return notice <= age; });
    const auto counted = std::max<std::ptrdiff_t>(passed, recipient.delay_notices + step);
    recipient.delay_notices = static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(counted, 255));
}

void Scheduler::defer(const MessageEntry& message, RecipientEntry& recipient,
                      const mta::DeliveryError& error, Instant now, std::optional<Millis> hint) {
    count(recipient.attempts);
    recipient.stalls = 0;
    const bool is_undecided = recipient.is_undecided;
    if (!is_undecided) recipient.is_tried = true;
    recipient.is_undecided = false;
    recipient.last_attempt_s = seconds_of(now);
    table_.set_error(recipient, error);
    const auto spread = spread_of(message, recipient.attempts);
    auto delay = retry_delay(policy_, recipient.attempts, spread);
    if (hint) delay = hinted_delay(policy_, *hint, delay, spread);
    // Only the attempt in which it goes alone is missing before it is given up.
    if (is_undecided && expiry(message, recipient) <= now)
        delay = std::min(delay, retry_delay(policy_, 1, spread));
    recipient.due = next_due(message, recipient, now, delay);
}

void Scheduler::postpone(const MessageEntry& message, RecipientEntry& recipient, Instant now) {
    count(recipient.stalls);
    const auto spread = spread_of(message, stall_steps + recipient.stalls);
    const auto delay =
        exponential_delay(stall_first, policy_.max_interval, recipient.stalls, spread);
    recipient.due = next_due(message, recipient, now, delay);
}

void Scheduler::count_attempt(RecipientEntry& recipient, Instant now) {
    count(recipient.attempts);
    recipient.last_attempt_s = seconds_of(now);
}

void Scheduler::conclude(MessageEntry& message, RecipientEntry& recipient, RecipientPhase phase,
                         const mta::DeliveryError* error, Instant now) {
    if (phase == RecipientPhase::delivered || phase == RecipientPhase::failed)
        count_attempt(recipient, now);
    if (error != nullptr) table_.set_error(recipient, *error);
    table_.set_phase(message, recipient, phase);
}

// SplitMix64, by Vigna.
double Scheduler::spread_of(const MessageEntry& message, std::uint32_t step) const {
    auto x = seed_ + message.id * 0x9e3779b97f4a7c15 + step * 0xd1b54a32d192ed03;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return static_cast<double>(x >> 11) / static_cast<double>(std::uint64_t{1} << 52) - 1;
}

double Scheduler::jitter() { return std::uniform_real_distribution<double>(-1, 1)(rng_); }

std::optional<Instant> Scheduler::next_notice(const MessageEntry& message,
                                              const RecipientEntry& recipient) const {
    if (recipient.is_delivering || !wants_delay_notice(message, recipient)) return std::nullopt;
    auto next = late_notice(message, recipient);
    if (recipient.delay_notices < policy_.delay_notices.size()) {
        auto usual = life_begin(message) + policy_.delay_notices[recipient.delay_notices];
        if (notice_not_before_) usual = std::max(usual, notice_not_before_(message, recipient));
        next = next ? std::min(*next, usual) : usual;
    }
    return next;
}

bool Scheduler::wants_delay_notice(const MessageEntry& message, const RecipientEntry& recipient) {
    if (!recipient.is_open() || recipient.is_reported || message.is_null_sender()) return false;
    return recipient.notify == notify_unspecified || (recipient.notify & notify_delay) != 0;
}

bool Scheduler::may_get_delay_notice(const MessageEntry& message,
                                     const RecipientEntry& recipient) const {
    return recipient.delay_notices < policy_.delay_notices.size() &&
           wants_delay_notice(message, recipient);
}

bool Scheduler::is_late_notice_due(const MessageEntry& message, const RecipientEntry& recipient,
                                   Instant now) const {
    if (recipient.is_delivering || !wants_delay_notice(message, recipient)) return false;
    const auto at = late_notice(message, recipient);
    return at && now >= *at;
}

// The notice is due once. Mail that was late when it came was reported by the relay before.
std::optional<Instant> Scheduler::late_notice(const MessageEntry& message,
                                              const RecipientEntry& recipient) const {
    const auto& by = table_.requests(message).deliver_by;
    if (by.mode != mta::ByMode::notify || recipient.is_told_late || by.at <= message.arrival)
        return std::nullopt;
    return by.at;
}

std::optional<Instant> Scheduler::next_event(const MessageEntry& message,
                                             const RecipientEntry& recipient) const {
    if (!recipient.is_open() || recipient.is_delivering || recipient.is_reported)
        return std::nullopt;
    mta::Earliest next(gives_up_at(message, recipient));
    if (recipient.is_waiting()) next.consider(recipient.due.get());
    if (expiry(message, recipient) > now_) {
        next.consider(next_notice(message, recipient));
    } else if (recipient.bundle && !is_tried(recipient)) {
        constexpr auto turns = static_cast<std::uint64_t>(overdue_spread.count());
        next.consider(now_ + overdue_check +
                      Millis{static_cast<Millis::rep>(message.id * 127 % turns)});
    }
    return next.at();
}

}  // namespace queue
