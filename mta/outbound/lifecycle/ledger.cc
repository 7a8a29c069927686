#include "mta/outbound/lifecycle/ledger.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "mta/base/assert.h"
#include "mta/diagnosis/diagnosis.h"
#include "mta/outbound/lifecycle/remembered_message.h"
#include "mta/outbound/lifecycle/report_rules.h"

namespace mta::outbound {

using queue::RecipientPhase;
using Reports = std::vector<std::shared_ptr<const queue::Message>>;

namespace {

Instant last_attempt_of(const queue::RecipientEntry& recipient) {
    return from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000);
}

}  // namespace

void Ledger::settle(queue::MessageHandle message,
                    const std::shared_ptr<const queue::Message>& content,
                    std::string_view destination, std::span<const Outcome> outcomes) {
    if (outcomes.empty()) return;
    Job job{.id = parts_.scheduler.table().message(message).id, .content = content};
    for (const auto& outcome : outcomes) {
        job.changed.push_back(outcome.recipient);
        events::RecipientRef who{.id = job.id,
                                 .recipient = outcome.recipient,
                                 .destination = std::string(destination),
                                 .source = std::string(outcome.source)};
        if (content) who.address = content->envelope.recipients[outcome.recipient].address;
        const auto& entry = parts_.scheduler.table().message(message);
        who.domain =
            parts_.scheduler.table()
                .domain(parts_.scheduler.table().recipient(entry, outcome.recipient).domain)
                .name;
        enter(message, outcome, std::move(who), job);
    }
    auto& entry = parts_.scheduler.table().message(message);
    for (auto& failure : std::exchange(job.failures, {})) gather(entry, std::move(failure));
    // An order is carried out at once.
    const bool is_ordered = std::ranges::any_of(
        outcomes, [](const Outcome& outcome) { return outcome.kind == Outcome::Kind::bounced; });
    const bool is_to_be_reported = is_ordered && gathered_.count(entry.id) > 0;
    if (is_to_be_reported || are_all_gathered(entry)) job.failures = take_gathered(entry);
    if (job.failures.empty() && job.relayed.empty()) {
        commit(message, std::move(job.changed), {});
    } else {
        begin(message, std::move(job));
    }
}

// ---- Failures that wait for others of their message ----

void Ledger::gather(queue::MessageEntry& entry, RecipientOutcome failure, Millis wait) {
    if (gathered_.count(entry.id) == 0) ++entry.reports_under_way;
    gathered_.add(entry.id, std::move(failure), context_.now(), wait);
    context_.request_tick();
}

std::vector<RecipientOutcome> Ledger::take_gathered(queue::MessageEntry& entry) {
    MTA_ASSERT(entry.reports_under_way > 0);
    --entry.reports_under_way;
    return gathered_.take(entry.id);
}

// No other recipient is open: there is nothing to wait for.
bool Ledger::are_all_gathered(const queue::MessageEntry& entry) const {
    if (entry.reports_under_way == 0) return false;
    return entry.open_count > 0 && gathered_.count(entry.id) == entry.open_count;
}

bool Ledger::is_under_way(queue::MessageHandle message) const {
    const auto is_one = [this](const queue::RecipientEntry& recipient) {
        return recipient.bundle && !handlers_.waits_for_outage(recipient);
    };
    return std::ranges::any_of(parts_.scheduler.table().recipients(message), is_one);
}

void Ledger::report_gathered(queue::MessageHandle message, std::vector<std::uint32_t> changed) {
    auto& entry = parts_.scheduler.table().message(message);
    Job job{.id = entry.id,
            .content = parts_.copies.get(message),
            .changed = std::move(changed),
            .failures = take_gathered(entry)};
    begin(message, std::move(job));
}

void Ledger::tick() {
    while (jobs_ < jobs_max) {
        const auto id = gathered_.due(context_.now());
        if (!id) return;
        const auto message = parts_.scheduler.table().find(*id);
        MTA_ASSERT(message);
        if (is_under_way(message) && gathered_.put_off(*id, context_.now())) continue;
        report_gathered(message, {});
    }
}

std::optional<Instant> Ledger::next_wakeup() const {
    return jobs_ < jobs_max ? gathered_.next_due() : std::nullopt;
}

void Ledger::resume(queue::MessageHandle message) {
    auto& table = parts_.scheduler.table();
    auto& entry = table.message(message);
    auto recipients = table.recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        auto& recipient = recipients[number];
        if (recipient.phase != RecipientPhase::pending || !recipient.error) continue;
        const auto& error = table.error(recipient);
        if (!error.is_permanent()) continue;
        recipient.is_reported = true;
        const bool was_out_of_time = recipient.due >= parts_.scheduler.expiry(entry, recipient);
        gather(entry,
               {.recipient = number,
                .error = error,
                .last_attempt = last_attempt_of(recipient),
                .attempts = recipient.attempts,
                .has_expired = was_out_of_time && error.reply_code / 100 != 5,
                .is_in_doubt = recipient.is_in_doubt},
               Millis{0});
    }
}

std::vector<std::uint32_t> Ledger::all_of(queue::MessageHandle message) const {
    std::vector<std::uint32_t> all(parts_.scheduler.table().message(message).recipient_count);
    std::iota(all.begin(), all.end(), 0U);
    return all;
}

void Ledger::commit(queue::MessageHandle message) {
    if (are_all_gathered(parts_.scheduler.table().message(message))) {
        report_gathered(message, all_of(message));
    } else {
        commit(message, Reports{});
    }
}

void Ledger::enter(queue::MessageHandle message, const Outcome& outcome, events::RecipientRef who,
                   Job& job) {
    auto& table = parts_.scheduler.table();
    auto& entry = table.message(message);
    auto& recipient = table.recipient(entry, outcome.recipient);
    MTA_ASSERT(recipient.is_open() && !recipient.bundle && outcome.error);
    const auto now = context_.now();
    const auto& error = *outcome.error;
    switch (outcome.kind) {
        case Outcome::Kind::delivered:
            parts_.scheduler.conclude(entry, recipient, RecipientPhase::delivered, nullptr, now);
            ++parts_.totals.delivered_total;
            parts_.latencies.delivery.add(now - entry.arrival);
            context_.event(events::Delivered{std::move(who), error.remote, error.reply_code,
                                             error.text, recipient.attempts, now - entry.arrival});
            if (!entry.is_null_sender() &&
                is_relay_reported(recipient.notify, table.requests(entry).deliver_by,
                                  {.is_dsn_passed_on = outcome.is_dsn_passed_on,
                                   .is_deliver_by_passed_on = outcome.is_deliver_by_passed_on})) {
                job.relayed.push_back(
                    {.recipient = outcome.recipient, .error = error, .last_attempt = now});
            }
            return;
        case Outcome::Kind::in_doubt:
        case Outcome::Kind::deferred:
            parts_.history.note(message, {.recipient = outcome.recipient,
                                          .kind = outcome.kind == Outcome::Kind::in_doubt
                                                      ? AttemptView::Kind::in_doubt
                                                      : AttemptView::Kind::charged,
                                          .at = now,
                                          .error = error});
            parts_.scheduler.defer(entry, recipient, error, now, diagnosis::retry_hint_of(error));
            if (outcome.kind == Outcome::Kind::in_doubt) {
                recipient.is_in_doubt = true;
                ++parts_.totals.in_doubt_total;
                context_.event(events::InDoubt{who, error, recipient.due});
            } else {
                ++parts_.totals.deferred_total;
                context_.event(events::Deferred{who, error, recipient.attempts, recipient.due});
            }
            if (!parts_.scheduler.has_expired(entry, recipient, now)) return;
            enter_failure(message, {outcome.recipient, Outcome::Kind::expired, &error}, who, job);
            return;
        case Outcome::Kind::failed:
        case Outcome::Kind::expired:
        case Outcome::Kind::bounced: enter_failure(message, outcome, who, job); return;
    }
}

void Ledger::enter_failure(queue::MessageHandle message, const Outcome& outcome,
                           const events::RecipientRef& who, Job& job) {
    auto& table = parts_.scheduler.table();
    auto& entry = table.message(message);
    auto& recipient = table.recipient(entry, outcome.recipient);
    const auto now = context_.now();
    const bool has_expired = outcome.kind == Outcome::Kind::expired;
    const bool was_attempt = outcome.kind == Outcome::Kind::failed;
    if (was_attempt) {
        parts_.history.note(message, {.recipient = outcome.recipient,
                                      .kind = AttemptView::Kind::failed,
                                      .at = now,
                                      .error = *outcome.error});
    }
    ++(has_expired ? parts_.totals.expired_total : parts_.totals.failed_total);
    auto error = *outcome.error;
    if (has_expired && parts_.scheduler.is_late(entry, ByMode::give_back, now))
        error.status = {5, 4, 7};
    if (has_expired) {
        context_.event(events::Expired{who, error});
    } else {
        context_.event(events::Failed{who, error});
    }
    if (entry.is_null_sender() || !wants_report(recipient.notify, ReportKind::failure)) {
        context_.event(events::ReportDropped{who, entry.is_null_sender()
                                                      ? events::ReportDropped::Reason::null_sender
                                                      : events::ReportDropped::Reason::not_wanted});
        parts_.endings.add({.id = who.id,
                            .recipient = outcome.recipient,
                            .address = who.address,
                            .at = now,
                            .has_expired = has_expired,
                            .error = *outcome.error});
        const auto phase = has_expired ? RecipientPhase::expired : RecipientPhase::failed;
        parts_.scheduler.conclude(entry, recipient, phase, &error, now);
        return;
    }
    // Pending until the report is in the same step of the store. resume() knows it there by the
    // permanent error; `due` says when it was given up.
    if (recipient.phase == RecipientPhase::held)
        table.set_phase(entry, recipient, RecipientPhase::pending);
    if (was_attempt) parts_.scheduler.count_attempt(recipient, now);
    recipient.is_reported = true;
    recipient.due = now;
    auto kept = error;
    kept.status.klass = 5;
    table.set_error(recipient, kept);
    job.failures.push_back({.recipient = outcome.recipient,
                            .error = std::move(error),
                            .last_attempt = last_attempt_of(recipient),
                            .attempts = recipient.attempts,
                            .has_expired = has_expired,
                            .is_in_doubt = recipient.is_in_doubt});
}

void Ledger::send_late_notice(queue::MessageHandle message) {
    auto& table = parts_.scheduler.table();
    auto& entry = table.message(message);
    const auto now = context_.now();
    Job job{.id = entry.id, .content = parts_.copies.get(message)};
    auto recipients = table.recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        auto& recipient = recipients[number];
        if (!parts_.scheduler.is_late_notice_due(entry, recipient, now)) continue;
        auto reason = handlers_.reason_of(recipient);
        reason.status = {4, 4, 7};
        parts_.scheduler.count_delay_notice(entry, recipient, now);
        job.changed.push_back(number);
        job.delays.push_back({.recipient = number,
                              .error = std::move(reason),
                              .last_attempt = last_attempt_of(recipient),
                              .is_in_doubt = recipient.is_in_doubt});
    }
    if (job.delays.empty()) {
        parts_.scheduler.rearm(message);
    } else {
        begin(message, std::move(job));
    }
}

// The recipients whose states the store must get.
std::vector<std::uint32_t> Ledger::changed_of(const Job& job) {
    auto numbers = job.changed;
    for (const auto* outcomes : {&job.failures, &job.delays})
        for (const auto& outcome : *outcomes)
            numbers.push_back(static_cast<std::uint32_t>(outcome.recipient));
    return numbers;
}

// The report at once, if the head of the body is at hand, in the same step as the rest; otherwise
// what is certain now, and the rest with the report.
void Ledger::begin(queue::MessageHandle message, Job job) {
    ++parts_.scheduler.table().message(message).reports_under_way;
    ++jobs_;
    if (job.content && job.content->is_body_inline()) {
        const auto content = job.content;
        finish(std::move(job), content->inline_content());
        return;
    }
    commit(message, changed_of(job), {});
    if (job.content) {
        read_head(std::move(job));
    } else {
        read_content(std::move(job));
    }
}

void Ledger::read_content(Job job) {
    const auto id = job.id;
    parts_.copies.read(id,
                       [this, job = std::move(job)](const MessageCopies::ReadResult& read) mutable {
                           if (!read) {
                               give_up_reports(std::move(job), read.error());
                               return;
                           }
                           job.content = *read;
                           if (job.content->is_body_inline()) {
                               const auto content = job.content;
                               finish(std::move(job), content->inline_content());
                           } else {
                               read_head(std::move(job));
                           }
                       });
}

void Ledger::read_head(Job job) {
    const auto id = job.id;
    parts_.store.read_body(
        id, 0, report_head_bytes,
        reads_.guard([this, job = std::move(job)](queue::StoreResult<std::string> head) mutable {
            finish(std::move(job), head ? *head : std::string{});
        }));
}

void Ledger::finish(Job job, std::string_view head) {
    --jobs_;
    const auto message = parts_.scheduler.table().find(job.id);
    if (!message) return;  // forgotten meanwhile
    auto& table = parts_.scheduler.table();
    auto& entry = table.message(message);
    --entry.reports_under_way;
    // Those that came to their end meanwhile, if they are the last.
    const auto gathered = gathered_.count(entry.id);
    if (gathered > 0 && gathered + job.failures.size() == entry.open_count)
        std::ranges::move(take_gathered(entry), std::back_inserter(job.failures));
    for (const auto& failure : job.failures) {
        auto& recipient = table.recipient(entry, static_cast<std::uint32_t>(failure.recipient));
        recipient.is_reported = false;
        const auto phase = failure.has_expired ? RecipientPhase::expired : RecipientPhase::failed;
        table.set_phase(entry, recipient, phase);
    }
    std::erase_if(job.delays, [&](const RecipientOutcome& delay) {
        return !table.recipient(entry, static_cast<std::uint32_t>(delay.recipient)).is_open();
    });
    Reports reports;
    make(job, ReportKind::failure, head, reports);
    make(job, ReportKind::relayed, head, reports);
    make(job, ReportKind::delay, head, reports);
    commit(message, changed_of(job), std::move(reports));
    context_.request_tick();
}

void Ledger::make(const Job& job, ReportKind kind, std::string_view head, Reports& reports) {
    const auto& outcomes = kind == ReportKind::failure ? job.failures
                           : kind == ReportKind::delay ? job.delays
                                                       : job.relayed;
    if (outcomes.empty()) return;
    const auto& table = parts_.scheduler.table();
    const auto message = table.find(job.id);
    MTA_ASSERT(message);
    const auto& entry = table.message(message);
    auto give_up_at = Instant::max();
    for (const auto& outcome : outcomes) {
        const auto& recipient =
            table.recipient(entry, static_cast<std::uint32_t>(outcome.recipient));
        give_up_at = std::min(give_up_at, parts_.scheduler.expiry(entry, recipient));
    }
    std::ranges::move(parts_.reports.make({.kind = kind,
                                           .original = *job.content,
                                           .head = head,
                                           .outcomes = outcomes,
                                           .now = context_.now(),
                                           .give_up_at = give_up_at,
                                           .also = {}}),
                      std::back_inserter(reports));
}

void Ledger::give_up_reports(Job job, const queue::StoreError& error) {
    --jobs_;
    const auto message = parts_.scheduler.table().find(job.id);
    if (!message) return;
    auto& entry = parts_.scheduler.table().message(message);
    --entry.reports_under_way;
    auto changed = changed_of(job);
    for (auto& failure : job.failures) gather(entry, std::move(failure));
    // The store is in trouble: the report is made later.
    if (!note_unreadable(message, error)) return commit(message, std::move(changed), {});
    // All that are open may have been given up before.
    const auto left = parts_.scheduler.table().find(job.id);
    if (!left || gathered_.count(job.id) == 0) return;
    Job known{.id = job.id, .content = remembered_message(parts_.scheduler.table(), left)};
    known.failures = take_gathered(parts_.scheduler.table().message(left));
    begin(left, std::move(known));
}

bool Ledger::note_unreadable(queue::MessageHandle message, const queue::StoreError& error,
                             const std::shared_ptr<const queue::Message>& content) {
    context_.event(events::Unreadable{parts_.scheduler.table().message(message).id, error.text});
    // Not found: only a fault of ours explains that, since a message that is in the table is
    // unfinished. It may still be there at the next look or the next start.
    if (error.kind != queue::StoreError::Kind::corrupt) return false;
    if (content) {
        handlers_.on_damaged(message, content, "the message was damaged on our disk");
    } else {
        handlers_.on_damaged(message, remembered_message(parts_.scheduler.table(), message),
                             "the message was damaged on our disk, and the recipient's address "
                             "with it: only the domain is known");
    }
    return true;
}

void Ledger::commit(queue::MessageHandle message, Reports reports) {
    parts_.scheduler.rearm(message);
    commit(message, all_of(message), std::move(reports));
}

void Ledger::commit(queue::MessageHandle message, std::vector<std::uint32_t> numbers,
                    Reports reports) {
    auto& entry = parts_.scheduler.table().message(message);
    const auto id = entry.id;
    if (entry.open_count == 0 && entry.reports_under_way == 0) {
        context_.event(events::Completed{id, context_.now() - entry.arrival});
        drop(message);
        parts_.store.finish(id, reports, nullptr);
    } else {
        // A report that waits for others is not being made yet: it reads the message then.
        const bool is_reporting = entry.reports_under_way > 1 ||
                                  (entry.reports_under_way == 1 && gathered_.count(id) == 0);
        parts_.copies.release(message, is_reporting);
        parts_.scheduler.rearm(message, numbers);
        auto changes = parts_.scheduler.table().changes(message, std::move(numbers));
        parts_.store.update(id, std::move(changes), reports);
    }
    for (auto& report : reports) handlers_.on_report(std::move(report));
}

void Ledger::drop(queue::MessageHandle message) {
    gathered_.forget(parts_.scheduler.table().message(message).id);
    parts_.copies.drop(message);
    parts_.history.forget(message);
    parts_.scheduler.remove(message);
}

}  // namespace mta::outbound
