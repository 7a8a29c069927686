#include "mta/outbound/attempt/attempt_end.h"

#include <algorithm>
#include <utility>

namespace mta::outbound {
namespace {

Lines::Place place_of(const Attempt& attempt) {
    return attempt.was_offered ? Lines::Place::last : Lines::Place::first;
}

DeliveryError error_of(const Attempt& attempt) {
    return attempt.walk.trouble().value_or(DeliveryError{});
}

}  // namespace

void AttemptEnd::record_host_failure(const Attempt& attempt, const DeliveryError& error) {
    for (const auto number : attempt.recipients) {
        parts_.history.note(attempt.message,
                            {.recipient = number, .at = context_.now(), .error = error});
    }
    // A failure of the spool is no attempt.
    if (error.scope != Scope::message) ++parts_.sites[attempt.site].failed_attempts;
    context_.event(
        events::HostFailed{attempt.id, parts_.sites[attempt.site].destination.name(), error});
}

void AttemptEnd::record_uncharged(const Attempt& attempt, const Verdict& verdict) {
    for (std::size_t place = 0; place < verdict.rulings.size(); ++place) {
        const auto& ruling = verdict.rulings[place];
        if (!ruling.is_uncharged) continue;
        parts_.history.note(
            attempt.message,
            {.recipient = attempt.recipients[place], .at = context_.now(), .error = ruling.error});
    }
}

std::vector<Outcome> AttemptEnd::outcomes_of(const Attempt& attempt, const Verdict& verdict,
                                             const Taken& taken) {
    using Kind = Ruling::Kind;
    std::vector<Outcome> outcomes;
    outcomes.reserve(verdict.rulings.size());
    for (std::size_t place = 0; place < verdict.rulings.size(); ++place) {
        const auto& ruling = verdict.rulings[place];
        const auto number = attempt.recipients[place];
        const auto settle_as = [&](Outcome::Kind kind) {
            outcomes.push_back({.recipient = number,
                                .kind = kind,
                                .error = &ruling.error,
                                .source = taken.source});
        };
        switch (ruling.kind) {
            case Kind::delivered:
                outcomes.push_back({.recipient = number,
                                    .kind = Outcome::Kind::delivered,
                                    .error = &taken.reply,
                                    .is_dsn_passed_on = taken.is_dsn_passed_on,
                                    .is_deliver_by_passed_on = taken.is_deliver_by_passed_on,
                                    .source = taken.source});
                break;
            case Kind::failed: settle_as(Outcome::Kind::failed); break;
            case Kind::deferred: settle_as(Outcome::Kind::deferred); break;
            case Kind::in_doubt: settle_as(Outcome::Kind::in_doubt); break;
            case Kind::next_host:
            case Kind::again:
            case Kind::accepted:
            case Kind::postponed: break;
        }
    }
    return outcomes;
}

void AttemptEnd::leave_bundle(const Attempt& attempt, std::uint32_t recipient) {
    auto& table = parts_.scheduler.table();
    parts_.lines.leave(attempt.message, table.recipient(table.message(attempt.message), recipient));
}

void AttemptEnd::settle(const Attempt& attempt, std::span<const Outcome> outcomes) {
    if (outcomes.empty()) return;
    for (const auto& outcome : outcomes) leave_bundle(attempt, outcome.recipient);
    parts_.ledger.settle(attempt.message, attempt.content,
                         parts_.sites[attempt.site].destination.name(), outcomes);
}

void AttemptEnd::settle_all(AttemptHandle handle, std::span<const Outcome> outcomes, How how) {
    auto& attempt = parts_.table[handle];
    for (const auto& outcome : outcomes) leave_bundle(attempt, outcome.recipient);
    attempt.bundle = {};
    const auto message = attempt.message;
    const auto content = attempt.content;
    const auto site = attempt.site;
    end(handle, how);
    parts_.ledger.settle(message, content, parts_.sites[site].destination.name(), outcomes);
}

void AttemptEnd::put_back(AttemptHandle handle, How how) {
    auto& attempt = parts_.table[handle];
    parts_.lines.put_back(std::exchange(attempt.bundle, {}), place_of(attempt));
    end(handle, how);
}

void AttemptEnd::go_again(AttemptHandle handle, const Verdict& verdict, bool are_unharmed) {
    auto& attempt = parts_.table[handle];
    const auto how = how_of(attempt.heard, false);
    if (!are_unharmed) return put_back(handle, how);
    auto& lines = parts_.lines;
    std::vector<std::uint32_t> accepted;
    for (std::size_t place = 0; place < verdict.rulings.size(); ++place)
        if (verdict.rulings[place].kind == Ruling::Kind::accepted)
            accepted.push_back(attempt.recipients[place]);
    const auto bundle = std::exchange(attempt.bundle, {});
    if (accepted.empty()) {
        lines.put_back_unharmed(bundle);
    } else {
        if (verdict.has(Ruling::Kind::again))
            lines.put_back_unharmed(lines.split_off_others(bundle, accepted));
        lines.put_back(bundle, Lines::Place::first);
    }
    end(handle, how);
}

// The refusal is that a keyword is missing, this recipient has met that before, and the destination
// has lacked it for long enough.
bool AttemptEnd::is_lacking_for_good(const Attempt& attempt, std::size_t place) {
    const auto& refusal = *attempt.refusals[place];
    if (!diagnosis::diagnose(refusal).is_missing_keyword) return false;
    const bool is_believed = parts_.sites[attempt.site].missing.add(refusal, context_.now());
    auto& table = parts_.scheduler.table();
    const auto& recipient =
        table.recipient(table.message(attempt.message), attempt.recipients[place]);
    const auto& former = table.error(recipient);
    return is_believed && diagnosis::diagnose(former).is_missing_keyword &&
           former.status.detail == refusal.status.detail;
}

void AttemptEnd::give_up(AttemptHandle handle, bool have_all_been_asked) {
    auto& attempt = parts_.table[handle];
    for (std::size_t place = 0; place < attempt.recipients.size(); ++place)
        if (attempt.refusals[place] && is_lacking_for_good(attempt, place))
            attempt.refusals[place]->status.klass = 5;
    const auto verdict =
        judge(attempt.refusals, NoHostLeft{.is_static = parts_.sites[attempt.site].plan.is_static(),
                                           .have_all_been_asked = have_all_been_asked,
                                           .host_error = &attempt.walk.trouble()});
    const auto how = how_of(attempt.heard, verdict.has_failed);
    const auto outcomes = outcomes_of(attempt, verdict, {});
    if (outcomes.size() == attempt.recipients.size()) {
        settle_all(handle, outcomes, how);
    } else {
        settle(attempt, outcomes);
        end(handle, how);
    }
}

void AttemptEnd::end_unreadable(AttemptHandle handle, const queue::StoreError& error) {
    auto& attempt = parts_.table[handle];
    const auto message = attempt.message;
    if (error.kind == queue::StoreError::Kind::corrupt && attempt.content) {
        for (const auto number : attempt.recipients) leave_bundle(attempt, number);
        attempt.bundle = {};
        const auto content = attempt.content;
        end(handle, How::unknown);
        parts_.ledger.note_unreadable(message, error, content);
        return;
    }
    attempt.is_unreadable = true;
    attempt.walk.set_trouble({.status = {4, 3, 0},
                              .scope = Scope::message,
                              .text = "the message cannot be read from the spool: " + error.text});
    record_host_failure(attempt, *attempt.walk.trouble());
    end(handle, How::unknown);
    parts_.ledger.note_unreadable(message, error);
}

// Where the site's next attempt goes on.
void AttemptEnd::remember_asked(const Attempt& attempt, How how) {
    using Asked = AskedAddresses::How;
    auto& asked = parts_.sites[attempt.site].asked;
    if (attempt.heard == Heard::settled) return asked.begin_round();
    if (how == How::unknown) return;
    for (const auto& endpoint : attempt.walk.asked_in_round())
        asked.add(endpoint, how == How::failed ? Asked::silent : Asked::unwilling);
}

void AttemptEnd::teach_site(const Attempt& attempt, How how) {
    auto& site = parts_.sites[attempt.site];
    auto& destination = site.destination;
    const auto now = context_.now();
    const auto down_since = destination.health().down_since();
    const auto error = error_of(attempt);
    remember_asked(attempt, how);
    using Change = queue::Destination::Change;
    const auto change = destination.end({.was_probe = attempt.is_probe(),
                                         .frees_connection = leads(attempt.state),
                                         .how = how,
                                         .at_start = attempt.at_start,
                                         .may_grow = !site.is_waiting_for_host,
                                         .error = error,
                                         .sender = attempt.sender,
                                         .broken_at = {attempt.id, attempt.broken_at_mailbox},
                                         .jitter = parts_.scheduler.jitter()},
                                        now);
    if (change != Change::none || attempt.is_probe()) context_.note_trouble();
    if (change == Change::went_down) {
        context_.event(events::DestinationDown{destination.name(), error,
                                               destination.health().next_probe().value_or(now),
                                               destination.waiting()});
    } else if (change == Change::came_up) {
        context_.event(
            events::DestinationUp{destination.name(), now - *down_since, destination.waiting()});
    }
}

void AttemptEnd::postpone(const Attempt& attempt) {
    auto& destination = parts_.sites[attempt.site].destination;
    const auto error = error_of(attempt);
    const bool is_held_up =
        !destination.health().is_up() || destination.is_closed() || context_.is_draining();
    auto next_due = Instant{};
    if (is_held_up && !attempt.is_unreadable) {
        parts_.lines.put_back(attempt.bundle, place_of(attempt));
    } else {
        auto& table = parts_.scheduler.table();
        auto& entry = table.message(attempt.message);
        for (const auto number : attempt.recipients) {
            auto& recipient = table.recipient(entry, number);
            parts_.lines.leave(attempt.message, recipient);
            parts_.scheduler.postpone(entry, recipient, context_.now());
            // A reply of a remote about the message says more.
            if (!recipient.error && !error.text.empty()) table.set_error(recipient, error);
            next_due = recipient.due;
        }
        parts_.scheduler.rearm(attempt.message, attempt.recipients);
    }
    context_.event(events::Postponed{attempt.id, destination.name(), error, next_due});
}

void AttemptEnd::end(AttemptHandle handle, How how) {
    // The counts first: what follows looks at them.
    auto attempt = parts_.table.remove(handle);
    auto& site = parts_.sites[attempt.site];
    site.suspects.release(attempt.number);
    if (site.suspects.take_change()) parts_.lines.come_back(attempt.site);
    teach_site(attempt, how);
    if (attempt.bundle) postpone(attempt);
    parts_.sites.end_wake_if_done(attempt.site);
    parts_.sites.refresh(attempt.site);
    context_.request_tick();
}

}  // namespace mta::outbound
