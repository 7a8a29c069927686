// How an attempt ends: what the answers mean for the recipients, the site and the next host.
#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/diagnosis/diagnosis.h"
#include "mta/outbound/attempt/deliveries.h"

namespace mta::outbound {
namespace {

// After a refusal of our IPv6 address.
constexpr Millis v4_preferred_for{4 * 3'600'000};

bool is_for_want_of_name(const Result<void>& result) {
    return !result && result.error().scope != Scope::host &&
           diagnosis::diagnose(result.error()).wants_reverse_name;
}

bool is_broken_off(const smtp::ClientSession::TransactionEnded& outcome, std::size_t recipient) {
    return std::ranges::binary_search(outcome.broken_off, recipient);
}

bool is_of_host(const Result<void>& result) {
    return !result && result.error().scope == Scope::host;
}

// The server has said something about the message or a recipient.
bool was_answered(const smtp::ClientSession::TransactionEnded& outcome) {
    const auto& results = outcome.recipients;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const bool has_reply = results[i] || results[i].error().reply_code != 0;
        if (has_reply && !is_of_host(results[i]) && !is_broken_off(outcome, i)) return true;
    }
    return false;
}

HostKeywords::Progress keyword_progress(const smtp::ClientSession::TransactionEnded& outcome) {
    using End = HostKeywords::Progress::End;
    auto end = End::other;
    if (!outcome.broken_off.empty()) {
        const auto& error = outcome.recipients[outcome.broken_off.front()].error();
        if (error.reply_code == 0) end = End::lost;
    } else if (was_answered(outcome)) {
        end = End::answered;
    }
    return {.answers = outcome.answers, .end = end};
}

}  // namespace

// Whether what the server announces and may not know is to blame, and nothing was taken: then the
// message goes without it at once; after a time-out, which held the connection for long enough, at
// its next attempt. What the outcome tells of that is remembered for the host.
bool Deliveries::is_to_be_tried_without(const Delivery& delivery,
                                        const smtp::ClientSession::TransactionEnded& outcome,
                                        ConnectionHandle connection) {
    if (outcome.suspect) {
        const bool is_new = keywords_.suspect(delivery.host, *outcome.suspect, delivery.id,
                                              outcome.answers, context_.now());
        return is_new && !outcome.in_doubt && !outcome.has_timed_out;
    }
    keywords_.conclude(delivery.host, pool_[connection].target().without, delivery.id,
                       keyword_progress(outcome), context_.now());
    return false;
}

// What they tell of the address, the host and the source. True: the source is suspended with this.
bool Deliveries::note_answers(Delivery& delivery,
                              const smtp::ClientSession::TransactionEnded& outcome,
                              ConnectionHandle connection) {
    const auto is_refusal = [](const auto& result) {
        return !result && diagnosis::diagnose(result.error()).is_about_our_address;
    };
    const auto& results = outcome.recipients;
    const auto refusal = std::ranges::find_if(results, is_refusal);
    const bool is_source_refused =
        refusal != results.end() && suspend_source(connection, refusal->error());
    const auto trouble = std::ranges::find_if(results, is_of_host);
    if (was_answered(outcome)) {
        end_trial(delivery);
        parts_.sites.note_answer(delivery.site);
        pool_.note_success(connection);
    } else if (!outcome.broken_off.empty()) {
        // A stop breaks sessions that are well.
        if (!context_.is_draining())
            pool_.note_break(connection, results[outcome.broken_off.front()].error());
    } else if (trouble != results.end() && !is_source_refused) {
        if (diagnosis::diagnose(trouble->error()).is_too_many_connections) {
            pool_.note_too_many(connection);
        } else {
            pool_.note_failure(connection, trouble->error());
        }
    }
    return is_source_refused;
}

// `taken`: what took those that were; it must outlive the result.
Deliveries::Sorted Deliveries::sort_answers(Delivery& delivery,
                                            const smtp::ClientSession::TransactionEnded& outcome,
                                            const DeliveryError& taken,
                                            ConnectionHandle connection) {
    using Kind = Outcome::Kind;
    Sorted sorted;
    sorted.settled.reserve(outcome.recipients.size());
    const bool is_some_taken = std::ranges::any_of(
        outcome.recipients, [](const auto& result) { return result.has_value(); });
    // Recipients that are not suspected are tried again at once, without the suspects.
    const bool are_some_to_blame =
        !outcome.suspects.empty() && outcome.broken_off.size() > outcome.suspects.size();
    const auto source = std::string_view(pool_[connection].target().source);
    const bool is_source_refused = note_answers(delivery, outcome, connection);
    const bool turns_to_v4 = std::ranges::any_of(outcome.recipients, is_for_want_of_name) &&
                             turn_to_v4(delivery, connection);
    const bool can_go_on = delivery.holds_connection && !context_.is_draining();
    const auto settle_as = [&](std::uint32_t number, Kind kind, const DeliveryError& error) {
        sorted.settled.push_back({number, kind, &error, false, false, source});
    };
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
        const auto number = delivery.recipients[i];
        const auto& result = outcome.recipients[i];
        if (result) {
            sorted.settled.push_back({number, Kind::delivered, &taken, outcome.dsn_passed_on,
                                      outcome.deliver_by_passed_on, source});
            delivery.heard = Heard::settled;
            continue;
        }
        const auto& error = result.error();
        const bool is_broken = is_broken_off(outcome, i);
        const auto heard = heard_of(error, is_broken);
        delivery.heard = std::max(delivery.heard, heard);
        const bool is_one_too_many = is_some_taken && heard >= Heard::refusal &&
                                     !error.is_permanent() &&
                                     diagnosis::diagnose(error).is_too_many_recipients;
        const bool goes_to_v4 = turns_to_v4 && is_for_want_of_name(result);
        const bool goes_to_next_host = heard == Heard::nothing || heard == Heard::refusal ||
                                       (is_broken && !outcome.in_doubt) || goes_to_v4;
        // What the host says about the recipient is entered when it counts, in the end.
        if (goes_to_next_host) {
            parts_.history.note(delivery.message,
                                {.recipient = number, .at = context_.now(), .error = error});
        }
        if (is_one_too_many || (goes_to_v4 && !can_go_on) ||
            (is_source_refused && diagnosis::diagnose(error).is_about_our_address)) {
            sorted.again.push_back(number);
        } else if (is_broken && are_some_to_blame) {
            if (std::ranges::find(outcome.suspects, i) != outcome.suspects.end()) {
                settle_as(number, Kind::deferred, error);
            } else if (i < outcome.suspects.front()) {
                sorted.accepted.push_back(number);
            } else {
                sorted.again.push_back(number);
            }
        } else if (heard == Heard::nothing) {
            sorted.left.push_back(number);
            sorted.refusals.push_back(std::move(delivery.refusals[i]));
            delivery.host_error = error;
            ++parts_.sites[delivery.site].failed_attempts;
        } else if (goes_to_next_host) {
            sorted.left.push_back(number);
            sorted.refusals.emplace_back(error);
        } else if (is_broken) {
            settle_as(number, Kind::in_doubt, error);
        } else {
            settle_as(number, error.is_permanent() ? Kind::failed : Kind::deferred, error);
        }
    }
    return sorted;
}

Deliveries::Heard Deliveries::heard_of(const DeliveryError& error, bool is_broken_off) {
    if (error.scope == Scope::host || error.scope == Scope::domain) return Heard::nothing;
    if (is_broken_off) return Heard::broken;
    const bool is_final = error.is_permanent() || error.scope == Scope::recipient;
    return is_final ? Heard::settled : Heard::refusal;
}

// The host does not hang at a mailbox about which it has answered.
void Deliveries::acquit(const Delivery& delivery,
                        const smtp::ClientSession::TransactionEnded& outcome) {
    auto& suspects = parts_.sites[delivery.site].suspects;
    if (suspects.is_empty()) return;
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
        if (!is_of_host(outcome.recipients[i]) && !is_broken_off(outcome, i))
            suspects.note_answer(mailbox_of(delivery, delivery.recipients[i]), delivery.sender);
    }
}

// Those that may be the reason for the break do not hold up the others again.
void Deliveries::part(const Delivery& delivery,
                      const smtp::ClientSession::TransactionEnded& outcome) {
    if (outcome.suspects.empty() || delivery.recipients.size() < 2) return;
    std::vector<std::uint32_t> suspects;
    for (const auto i : outcome.suspects) suspects.push_back(delivery.recipients[i]);
    parts_.lines.part(delivery.message, suspects);
}

bool Deliveries::turn_to_v4(Delivery& delivery, ConnectionHandle connection) {
    if (delivery.only_v4 || !pool_[connection].target().endpoint.address.is_v6()) return false;
    auto& site = parts_.sites[delivery.site];
    if (site.limits.ip == conf::IpFamilies::v6) return false;
    site.prefers_v4_until = context_.now() + v4_preferred_for;
    delivery.only_v4 = true;
    delivery.pass = Pass::all;
    delivery.next_host = 0;
    // That session was with an address that we may not come from.
    if (delivery.sessions > 0) --delivery.sessions;
    return true;
}

// Puts the rest of the bundle back into the line. `are_unharmed`: other recipients broke the
// session, so these keep their turn.
void Deliveries::go_again(const DeliveryPtr& delivery, const Sorted& sorted, bool are_unharmed) {
    auto& lines = parts_.lines;
    if (!are_unharmed) return put_back(delivery, how_of(*delivery));
    const auto bundle = std::exchange(delivery->bundle, {});
    if (sorted.accepted.empty()) {
        lines.put_back_unharmed(bundle);
    } else {
        if (!sorted.again.empty())
            lines.put_back_unharmed(lines.split_off_others(bundle, sorted.accepted));
        lines.put_back(bundle, Lines::Place::first);
    }
    end(delivery, how_of(*delivery));
}

void Deliveries::judge(const DeliveryPtr& delivery,
                       const smtp::ClientSession::TransactionEnded& outcome,
                       ConnectionHandle connection) {
    const DeliveryError taken{.status = {2, 0, 0},
                              .scope = Scope::recipient,
                              .reply_code = outcome.reply_code,
                              .text = outcome.reply,
                              .remote = pool_[connection].remote()};
    if (outcome.suspects.size() == 1) {
        const auto number = delivery->recipients[outcome.suspects.front()];
        delivery->broken_at_mailbox = mailbox_of(*delivery, number);
        parts_.sites[delivery->site].suspects.note_break(*delivery->broken_at_mailbox,
                                                         delivery->sender, context_.now());
    }
    part(*delivery, outcome);
    acquit(*delivery, outcome);
    auto sorted = sort_answers(*delivery, outcome, taken, connection);
    if (!sorted.accepted.empty() || !sorted.again.empty()) {
        // This comes to an end: some were taken, or one is to blame, or a source was suspended.
        settle(*delivery, sorted.settled);
        go_again(delivery, sorted, !outcome.suspects.empty());
        return;
    }
    delivery->recipients = std::move(sorted.left);
    delivery->refusals = std::move(sorted.refusals);
    if (delivery->recipients.empty()) {
        settle_all(delivery, sorted.settled, how_of(*delivery));
        return;
    }
    settle(*delivery, sorted.settled);
    if (context_.is_draining() || !delivery->holds_connection ||
        delivery->sessions >= sessions_max) {
        give_up(delivery);
    } else {
        go_on_after(delivery, connection);
    }
}

void Deliveries::note_host_failure(Delivery& delivery, const DeliveryError& error) {
    for (const auto number : delivery.recipients) {
        parts_.history.note(delivery.message,
                            {.recipient = number, .at = context_.now(), .error = error});
    }
    // The spool's failure is no attempt.
    if (error.scope != Scope::message) ++parts_.sites[delivery.site].failed_attempts;
    context_.event(
        events::HostFailed{delivery.id, parts_.sites[delivery.site].destination.name(), error});
}

Deliveries::How Deliveries::how_of(const Delivery& delivery, bool has_failed) {
    switch (delivery.heard) {
        case Heard::settled:
        case Heard::refusal: return How::answered;
        case Heard::broken: return How::broken;
        case Heard::nothing: break;
    }
    return has_failed ? How::failed : How::unknown;
}

// Where the site's next attempt goes on.
void Deliveries::note_asked(const Delivery& delivery, How how) {
    using Asked = AskedAddresses::How;
    auto& asked = parts_.sites[delivery.site].asked;
    if (delivery.heard == Heard::settled) return asked.begin_round();
    if (how == How::unknown) return;
    for (std::size_t i = std::min(delivery.asked_before, delivery.asked.size());
         i < delivery.asked.size(); ++i)
        asked.add(delivery.asked[i], how == How::failed ? Asked::silent : Asked::unwilling);
}

// Some are served, the delivery goes on for the others.
void Deliveries::settle(Delivery& delivery, std::span<const Outcome> outcomes) {
    if (outcomes.empty()) return;
    auto& table = parts_.scheduler.table();
    for (const auto& outcome : outcomes) {
        parts_.lines.leave(delivery.message,
                           table.recipient(table.message(delivery.message), outcome.recipient));
    }
    parts_.ledger.settle(delivery.message, delivery.content,
                         parts_.sites[delivery.site].destination.name(), outcomes);
}

// All are served. The site hears of it first: what is settled may bring new mail for it.
void Deliveries::settle_all(const DeliveryPtr& delivery, std::span<const Outcome> outcomes,
                            How how) {
    auto& table = parts_.scheduler.table();
    for (const auto& outcome : outcomes) {
        parts_.lines.leave(delivery->message,
                           table.recipient(table.message(delivery->message), outcome.recipient));
    }
    delivery->bundle = {};
    end(delivery, how);
    parts_.ledger.settle(delivery->message, delivery->content,
                         parts_.sites[delivery->site].destination.name(), outcomes);
}

// The refusal is that a keyword is missing, this recipient has met that before, and the destination
// has lacked it for long enough.
bool Deliveries::is_lacking_for_good(const Delivery& delivery, std::size_t i) {
    const auto& refusal = *delivery.refusals[i];
    if (!diagnosis::diagnose(refusal).is_missing_keyword) return false;
    const bool is_believed = parts_.sites[delivery.site].missing.add(refusal, context_.now());
    auto& table = parts_.scheduler.table();
    const auto& recipient =
        table.recipient(table.message(delivery.message), delivery.recipients[i]);
    const auto& former = table.error(recipient);
    return is_believed && diagnosis::diagnose(former).is_missing_keyword &&
           former.status.detail == refusal.status.detail;
}

// No host is left, or none may be asked now: whoever has been answered is charged, the others are
// not.
void Deliveries::give_up(const DeliveryPtr& delivery) {
    const bool is_static = parts_.sites[delivery->site].plan.is_static;
    auto& host_error = delivery->host_error;
    // One host that does not exist says nothing of those that were not asked.
    const bool is_hopeless = delivery->has_asked_all && host_error && host_error->is_permanent() &&
                             host_error->scope == Scope::domain && !is_static;
    const DeliveryError* const hopeless = is_hopeless && host_error ? &*host_error : nullptr;
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < delivery->recipients.size(); ++i) {
        const auto number = delivery->recipients[i];
        if (auto& refusal = delivery->refusals[i]) {
            if (is_lacking_for_good(*delivery, i)) refusal->status.klass = 5;
            const auto kind =
                refusal->is_permanent() ? Outcome::Kind::failed : Outcome::Kind::deferred;
            outcomes.push_back({number, kind, &*refusal});
        } else if (hopeless != nullptr) {
            outcomes.push_back({number, Outcome::Kind::failed, hopeless});
        }
    }
    if (host_error && host_error->is_permanent()) host_error->status.klass = is_hopeless ? 5 : 4;
    const bool are_all_settled = outcomes.size() == delivery->recipients.size();
    // To be turned away as one too many is no failure.
    const bool has_failed =
        host_error && !is_hopeless && !diagnosis::diagnose(*host_error).is_too_many_connections;
    const auto how = how_of(*delivery, has_failed);
    if (are_all_settled) {
        settle_all(delivery, outcomes, how);
    } else {
        settle(*delivery, outcomes);
        end(delivery, how);
    }
}

// No fault of the message's or the host's: nothing is charged, nothing learnt. If only the store is
// in trouble the message is tried later; if its bytes are gone, the ledger sees to it.
void Deliveries::end_unreadable(const DeliveryPtr& delivery, const queue::StoreError& error) {
    const auto message = delivery->message;
    if (error.kind == queue::StoreError::Kind::corrupt && delivery->content) {
        for (const auto number : delivery->recipients) {
            auto& table = parts_.scheduler.table();
            parts_.lines.leave(message, table.recipient(table.message(message), number));
        }
        delivery->bundle = {};
        end(delivery, How::unknown);
        parts_.ledger.note_unreadable(message, error, delivery->content);
        return;
    }
    delivery->is_unreadable = true;
    delivery->host_error =
        DeliveryError{.status = {4, 3, 0},
                      .scope = Scope::message,
                      .text = "the message cannot be read from the spool: " + error.text};
    note_host_failure(*delivery, *delivery->host_error);
    end(delivery, How::unknown);
    parts_.ledger.note_unreadable(message, error);
}

// The site hears how it went. What is left of the bundle, uncharged, waits for the site if that is
// down, and otherwise for a pause of its own: so does what cannot be read, or it would be the probe
// again at once.
void Deliveries::end(const DeliveryPtr& delivery, How how) {
    set_unconnected(*delivery, false);
    end_trial(*delivery);
    end_long_look_up(*delivery);
    leave_host_line(*delivery);
    give_place_up(*delivery);
    auto& site = parts_.sites[delivery->site];
    auto& destination = site.destination;
    site.suspects.release(delivery->number);
    if (site.suspects.take_change()) parts_.lines.come_back(delivery->site);
    const auto now = context_.now();
    const auto down_since = destination.health().down_since();
    const auto error = delivery->host_error.value_or(DeliveryError{});
    note_asked(*delivery, how);
    const auto change = destination.end({.was_probe = delivery->is_probe(),
                                         .frees_connection = delivery->holds_connection,
                                         .how = how,
                                         .at_start = delivery->at_start,
                                         .may_grow = !site.is_waiting_for_host,
                                         .error = error,
                                         .sender = delivery->sender,
                                         .broken_at = {delivery->id, delivery->broken_at_mailbox},
                                         .jitter = parts_.scheduler.jitter()},
                                        now);
    using Change = queue::Destination::Change;
    if (change != Change::none || delivery->is_probe()) context_.note_trouble();
    if (change == Change::went_down) {
        context_.event(events::DestinationDown{destination.name(), error,
                                               destination.health().next_probe().value_or(now),
                                               destination.waiting()});
    } else if (change == Change::came_up) {
        context_.event(
            events::DestinationUp{destination.name(), now - *down_since, destination.waiting()});
    }
    if (delivery->bundle) {
        const auto message = delivery->message;
        const bool is_held_up =
            !destination.health().is_up() || destination.is_closed() || context_.is_draining();
        const bool waits_for_site = is_held_up && !delivery->is_unreadable;
        auto next_due = Instant{};
        if (waits_for_site) {
            parts_.lines.put_back(delivery->bundle, place_of(*delivery));
        } else {
            auto& entry = parts_.scheduler.table().message(message);
            for (const auto number : delivery->recipients) {
                auto& recipient = parts_.scheduler.table().recipient(entry, number);
                parts_.lines.leave(message, recipient);
                parts_.scheduler.postpone(entry, recipient, now);
                // Better than no reason at all; what a remote said of the message is better still.
                if (!recipient.error && !error.text.empty())
                    parts_.scheduler.table().set_error(recipient, error);
                next_due = recipient.due;
            }
            parts_.scheduler.rearm(message, delivery->recipients);
        }
        delivery->bundle = {};
        context_.event(events::Postponed{delivery->id, destination.name(), error, next_due});
    }
    remove(*delivery);
    parts_.sites.end_wake_if_done(delivery->site);
    parts_.sites.refresh(delivery->site);
    context_.request_tick();
}

void Deliveries::remove(Delivery& delivery) {
    const auto index = delivery.index;
    if (index + 1 != all_.size()) {
        std::swap(all_[index], all_.back());
        all_[index]->index = index;
    }
    all_.pop_back();
}

}  // namespace mta::outbound
