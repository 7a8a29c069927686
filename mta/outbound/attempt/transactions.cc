#include "mta/outbound/attempt/transactions.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "mta/base/assert.h"
#include "mta/diagnosis/diagnosis.h"

namespace mta::outbound {
namespace {

using attempt_state::Abandoned;
using attempt_state::Admitted;
using attempt_state::Connecting;
using attempt_state::Leaving;
using attempt_state::Reading;
using attempt_state::Transacting;

// A kept connection that was gone, a BDAT that was not understood, a keyword that is tried without:
// none of them can come twice.
constexpr std::uint32_t fresh_starts_max = 3;
// After a refusal of our IPv6 address for want of a name.
constexpr Millis v4_preferred_for{4 * 3'600'000};

}  // namespace

void Transactions::begin(AttemptHandle handle, ConnectionHandle connection) {
    auto& attempt = parts_.table[handle];
    auto& site = parts_.sites[attempt.site];
    const auto& open = parts_.pool[connection];
    const auto& capabilities = open.capabilities();
    if (capabilities.recipients_max != 0 || capabilities.recipient_domains_max != 0)
        fit_to_limits(attempt, capabilities);
    site.missing.clear(capabilities);
    // Another attempt of the site has had its answer meanwhile.
    if (attempt.trial && site.standing(context_.now()) == Standing::answering)
        parts_.table.end_trial(handle);
    attempt.rates.use_message();
    attempt.was_offered = true;
    attempt.walk.speaks_to(open.target().host, open.target().endpoint);
    if (!std::holds_alternative<Transacting>(attempt.state))
        parts_.table.enter(handle, Transacting{connection});
    parts_.pool.start(connection, attempt.content, attempt.recipients);
}

// RFC 9422: recipients beyond what a transaction may have go in the next one.
void Transactions::fit_to_limits(Attempt& attempt, const smtp::Capabilities& capabilities) {
    const auto limit = [](std::uint32_t most) { return most == 0 ? SIZE_MAX : most; };
    const auto recipients_max = limit(capabilities.recipients_max);
    const auto domains_max = limit(capabilities.recipient_domains_max);
    const auto& entry = parts_.scheduler.table().message(attempt.message);
    std::set<queue::DomainHandle> domains;
    std::vector<std::uint32_t> kept;
    std::vector<std::optional<DeliveryError>> refusals;
    for (std::size_t i = 0; i < attempt.recipients.size(); ++i) {
        if (kept.size() == recipients_max) break;
        const auto number = attempt.recipients[i];
        const auto domain = parts_.scheduler.table().recipient(entry, number).domain;
        if (!domains.contains(domain) && domains.size() == domains_max) continue;
        domains.insert(domain);
        kept.push_back(number);
        refusals.push_back(std::move(attempt.refusals[i]));
    }
    if (kept.size() < parts_.bundles[attempt.bundle].recipients)
        parts_.lines.put_back(parts_.lines.split_off_others(attempt.bundle, kept));
    attempt.recipients = std::move(kept);
    attempt.refusals = std::move(refusals);
}

std::uint32_t Transactions::mailbox_of(const Attempt& attempt, std::uint32_t recipient) const {
    const auto& table = std::as_const(parts_.scheduler.table());
    return table.recipient(table.message(attempt.message), recipient).address_hash;
}

// ---- While the transaction is under way ----

void Transactions::on_silent(ConnectionHandle connection) {
    const auto handle = parts_.table.first_on(connection);
    const auto place = parts_.pool[connection].recipient_awaited();
    if (!place || !handle) return;
    const auto& attempt = parts_.table[handle];
    if (!std::holds_alternative<Transacting>(attempt.state)) return;
    parts_.sites[attempt.site].suspects.note_silence(
        mailbox_of(attempt, attempt.recipients[*place]), attempt.sender, attempt.number,
        context_.now());
}

void Transactions::on_body_out(ConnectionHandle connection) {
    const auto handle = parts_.table.first_on(connection);
    if (!handle) return;
    const auto& attempt = parts_.table[handle];
    if (attempt.trial) parts_.table.send_trial(handle);
}

// ---- The end of a transaction ----

void Transactions::on_transaction_end(ConnectionHandle connection, TransactionEnd& ended) {
    const auto handle = parts_.table.first_on(connection);
    MTA_ASSERT(handle);
    context_.request_tick();
    const auto attempts = parts_.table.on(connection);
    // The attempt behind it has the connection now.
    if (attempts.size() > 1) parts_.table.pass_connection_on(handle, attempts[1]);
    const auto& attempt = parts_.table[handle];
    auto& outcome = ended.outcome;
    if (std::holds_alternative<Abandoned>(attempt.state)) {
        parts_.end.end(handle, AttemptEnd::How::unknown);
    } else if (ended.unreadable) {
        parts_.end.end_unreadable(handle, *ended.unreadable);
    } else if (outcome.chunking_refused || outcome.never_began) {
        if (outcome.chunking_refused)
            parts_.keywords.distrust(attempt.walk.host(), SmtpKeyword::chunking, context_.now());
        start_afresh(handle, connection);
    } else if (is_to_be_tried_without(attempt, outcome, connection)) {
        start_afresh(handle, connection);
    } else {
        rule(handle, outcome, connection);
    }
}

// Whether a keyword that the host announces and may not know is to blame, and nothing was taken:
// then the message goes without it at once; after a time-out, which held the connection for long
// enough, at its next attempt. What the outcome says about that is remembered for the host.
bool Transactions::is_to_be_tried_without(const Attempt& attempt, const TransactionOutcome& outcome,
                                          ConnectionHandle connection) {
    const auto& host = attempt.walk.host();
    if (outcome.suspect) {
        const bool is_new = parts_.keywords.suspect(host, *outcome.suspect, attempt.id,
                                                    outcome.answers, context_.now());
        return is_new && !outcome.in_doubt && !outcome.has_timed_out;
    }
    parts_.keywords.conclude(host, parts_.pool[connection].target().without, attempt.id,
                             keyword_progress(outcome), context_.now());
    return false;
}

// Nothing has happened: the attempt goes on over a new connection.
void Transactions::start_afresh(AttemptHandle handle, ConnectionHandle connection) {
    auto& attempt = parts_.table[handle];
    if (!leads(attempt.state) || context_.is_draining() ||
        ++attempt.fresh_starts > fresh_starts_max) {
        if (!attempt.walk.trouble()) {
            attempt.walk.set_trouble(
                {.status = {4, 4, 2}, .scope = Scope::host, .text = "the connection was lost"});
            parts_.end.record_host_failure(attempt, *attempt.walk.trouble());
        }
        parts_.end.end(handle, AttemptEnd::How::unknown);
        return;
    }
    // If hosts before this one have answered, the way goes on here.
    const auto& endpoint = parts_.pool[connection].target().endpoint;
    if (!attempt.was_answered() || !attempt.walk.retry_host(endpoint)) attempt.walk.forget_plan();
    attempt.walk.leave_host();
    parts_.table.enter(handle, Leaving{connection});
}

void Transactions::rule(AttemptHandle handle, TransactionOutcome& outcome,
                        ConnectionHandle connection) {
    auto& attempt = parts_.table[handle];
    auto& site = parts_.sites[attempt.site];
    const auto meanings = meanings_of(outcome);
    // A host that lacks a keyword was not asked anything.
    if (!lacks_keyword(meanings)) attempt.walk.count_session();
    note_suspects(attempt, outcome);
    const auto* const refusal = address_refusal(outcome, meanings);
    Known known{.is_source_suspended = refusal != nullptr && suspend_source(connection, *refusal)};
    note_answers(handle, outcome, connection, known.is_source_suspended);
    known.turns_to_v4 = is_name_wanted(outcome, meanings) && may_turn_to_v4(attempt, connection);
    if (known.turns_to_v4) {
        site.prefers_v4_until = context_.now() + v4_preferred_for;
        attempt.walk.turn_to_v4();
    }
    known.can_go_on = leads(attempt.state) && !context_.is_draining();
    const AttemptEnd::Taken taken{.reply = {.status = {2, 0, 0},
                                            .scope = Scope::recipient,
                                            .reply_code = outcome.reply_code,
                                            .text = outcome.reply,
                                            .remote = parts_.pool[connection].remote()},
                                  .source = parts_.pool[connection].target().source,
                                  .is_dsn_passed_on = outcome.dsn_passed_on,
                                  .is_deliver_by_passed_on = outcome.deliver_by_passed_on};
    auto verdict = judge(outcome, meanings, known);
    attempt.heard = std::max(attempt.heard, verdict.heard);
    parts_.end.record_uncharged(attempt, verdict);
    for (const auto& ruling : verdict.rulings) {
        if (!ruling.is_of_host) continue;
        attempt.walk.set_trouble(ruling.error);
        ++site.failed_attempts;
    }
    const auto outcomes = AttemptEnd::outcomes_of(attempt, verdict, taken);
    if (verdict.has(Ruling::Kind::accepted) || verdict.has(Ruling::Kind::again)) {
        // The attempt ends: some were taken, or one is to blame, or a source was suspended.
        parts_.end.settle(attempt, outcomes);
        parts_.end.go_again(handle, verdict, !outcome.suspects.empty());
        return;
    }
    if (!verdict.has(Ruling::Kind::next_host)) {
        parts_.end.settle_all(handle, outcomes, how_of(attempt.heard, false));
        return;
    }
    parts_.end.settle(attempt, outcomes);
    keep_for_next_host(attempt, verdict);
    if (!known.can_go_on || attempt.walk.sessions() >= HostWalk::sessions_max) {
        parts_.end.give_up(handle, false);
    } else {
        attempt.walk.leave_host();
        parts_.table.enter(handle, Leaving{connection});
    }
}

// The recipients that another host is to be asked for. What this one has said of them counts if no
// other host takes them.
void Transactions::keep_for_next_host(Attempt& attempt, Verdict& verdict) {
    std::vector<std::uint32_t> recipients;
    std::vector<std::optional<DeliveryError>> refusals;
    for (std::size_t place = 0; place < verdict.rulings.size(); ++place) {
        auto& ruling = verdict.rulings[place];
        if (ruling.kind != Ruling::Kind::next_host) continue;
        recipients.push_back(attempt.recipients[place]);
        if (ruling.is_of_host) {
            refusals.push_back(std::move(attempt.refusals[place]));
        } else {
            refusals.emplace_back(std::move(ruling.error));
        }
    }
    attempt.recipients = std::move(recipients);
    attempt.refusals = std::move(refusals);
}

// Mailboxes at which the session broke, and those about which the host has answered: it does not
// hang at these.
void Transactions::note_suspects(Attempt& attempt, const TransactionOutcome& outcome) {
    auto& suspects = parts_.sites[attempt.site].suspects;
    if (outcome.suspects.size() == 1) {
        attempt.broken_at_mailbox =
            mailbox_of(attempt, attempt.recipients[outcome.suspects.front()]);
        suspects.note_break(*attempt.broken_at_mailbox, attempt.sender, context_.now());
    }
    if (!outcome.suspects.empty() && attempt.recipients.size() > 1) {
        // Those that may be the reason for the break do not hold up the others again.
        std::vector<std::uint32_t> numbers;
        for (const auto place : outcome.suspects) numbers.push_back(attempt.recipients[place]);
        parts_.lines.part(attempt.message, numbers);
    }
    if (suspects.is_empty()) return;
    for (std::size_t place = 0; place < outcome.recipients.size(); ++place)
        if (was_answered(outcome, place))
            suspects.note_answer(mailbox_of(attempt, attempt.recipients[place]), attempt.sender);
}

// What the answers say about the address and the host.
void Transactions::note_answers(AttemptHandle handle, const TransactionOutcome& outcome,
                                ConnectionHandle connection, bool is_source_suspended) {
    if (was_answered(outcome)) {
        parts_.table.end_trial(handle);
        parts_.sites.note_answer(parts_.table[handle].site);
        parts_.pool.note_success(connection);
    } else if (!outcome.broken_off.empty()) {
        // A relay that stops breaks sessions that are well.
        if (!context_.is_draining())
            parts_.pool.note_break(connection,
                                   outcome.recipients[outcome.broken_off.front()].error());
    } else if (const auto* const failure = host_failure(outcome);
               failure != nullptr && !is_source_suspended) {
        if (diagnosis::diagnose(*failure).is_too_many_connections) {
            parts_.pool.note_too_many(connection);
        } else {
            parts_.pool.note_failure(connection, *failure);
        }
    }
}

bool Transactions::may_turn_to_v4(const Attempt& attempt, ConnectionHandle connection) const {
    return !attempt.walk.is_only_v4() &&
           parts_.pool[connection].target().endpoint.address.is_v6() &&
           parts_.sites[attempt.site].limits.ip != conf::IpFamilies::v6;
}

// Returns true if the source is suspended now, and another one takes over.
bool Transactions::suspend_source(ConnectionHandle connection, const DeliveryError& error) {
    const auto& target = parts_.pool[connection].target();
    if (target.source.empty()) return false;
    const auto now = context_.now();
    const auto handle = parts_.pool[connection].site();
    auto& site = parts_.sites[handle];
    const bool was_suspended = site.sources.is_suspended(target.source, now);
    if (!site.sources.refuse(parts_.sources.members(site.plan.source),
                             {.name = target.source,
                              .is_v6 = target.endpoint.address.is_v6(),
                              .error = error,
                              .jitter = parts_.scheduler.jitter()},
                             now))
        return false;
    if (was_suspended) return true;
    for (const auto& suspension : site.sources.suspensions(now)) {
        if (suspension.source != target.source) continue;
        context_.event(events::SourceSuspended{site.destination.name(), target.source, error,
                                               suspension.until});
    }
    parts_.pool.close_idle_from(handle, target.source);
    return true;
}

// ---- The end of a connection ----

void Transactions::on_end(ConnectionHandle connection, const ConnectionEnded& ended) {
    const auto handle = parts_.table.first_on(connection);
    if (!handle) return;
    auto& state = parts_.table[handle].state;
    if (auto* const reading = std::get_if<Reading>(&state)) {
        parts_.table.enter(handle, Reading{{}, std::move(reading->answer)});
    } else if (std::holds_alternative<Connecting>(state) && ended.error) {
        on_refused(handle, connection, ended);
    } else {
        MTA_ASSERT(std::holds_alternative<Connecting>(state) ||
                   std::holds_alternative<Leaving>(state));
        parts_.table.enter(handle, Admitted{});
        go_on_(handle);
    }
}

// The connection came to nothing before its first transaction.
void Transactions::on_refused(AttemptHandle handle, ConnectionHandle connection,
                              const ConnectionEnded& ended) {
    const auto& error = *ended.error;
    const bool is_of_source = ended.has_unusable_source;
    const auto meaning = diagnosis::diagnose(error);
    const bool is_refusal_of_source = is_of_source || meaning.is_about_our_address;
    if (is_refusal_of_source && suspend_source(connection, error))
        return parts_.end.put_back(handle);
    parts_.table.enter(handle, Admitted{});
    auto& attempt = parts_.table[handle];
    parts_.end.record_host_failure(attempt, error);
    attempt.walk.set_trouble(error);
    if (meaning.is_too_many_connections) {
        parts_.pool.note_too_many(connection);
        attempt.walk.take_back(parts_.pool[connection].target().endpoint);
    } else if (!is_of_source) {
        parts_.pool.note_failure(connection, error);
    }
    go_on_(handle);
}

}  // namespace mta::outbound
