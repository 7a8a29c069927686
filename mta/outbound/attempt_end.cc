// How an attempt ends: what the answers mean for the recipients, the site and the next host.
#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/outbound/deliveries.h"
#include "mta/smtp/reply_words.h"

namespace mta::outbound {
namespace {

// The server has enough recipients in this transaction (RFC 5321 section 4.5.3.1.10); with or
// without the enhanced code for it.
bool is_too_many_recipients(const DeliveryError& error) {
    if (error.reply_code != 452 && error.reply_code != 552) return false;
    return error.status == EnhancedStatus{4, 5, 3} ||
           to_lower(error.text).contains("too many recipients");
}

}  // namespace

// What they tell of the address, the host and the source. True: the source is suspended with this.
bool Deliveries::note_answers(const smtp::ClientSession::TransactionEnded& outcome,
                              std::uint32_t connection) {
    const auto is_refusal = [](const auto& result) {
        return !result && smtp::is_about_our_address(result.error());
    };
    const auto is_of_host = [](const auto& result) {
        return !result && result.error().scope == Scope::host;
    };
    const auto is_answer = [&](const auto& result) {
        return result || (result.error().reply_code != 0 && !is_of_host(result));
    };
    const auto refusal = std::ranges::find_if(outcome.recipients, is_refusal);
    const bool is_source_refused =
        refusal != outcome.recipients.end() && suspend_source(connection, refusal->error());
    const auto trouble = std::ranges::find_if(outcome.recipients, is_of_host);
    if (std::ranges::any_of(outcome.recipients, is_answer)) {
        pool_.note_success(connection);
    } else if (trouble != outcome.recipients.end() && !is_source_refused) {
        if (smtp::is_too_many_connections(trouble->error())) {
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
                                            const DeliveryError& taken, std::uint32_t connection) {
    using Kind = Outcome::Kind;
    Sorted sorted;
    sorted.settled.reserve(outcome.recipients.size());
    const bool is_some_taken = std::ranges::any_of(
        outcome.recipients, [](const auto& result) { return result.has_value(); });
    const auto source = std::string_view(pool_[connection].target().source);
    const bool is_source_refused = note_answers(outcome, connection);
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
        const auto number = delivery.recipients[i];
        const auto& result = outcome.recipients[i];
        if (result) {
            sorted.settled.push_back({number, Kind::delivered, &taken, outcome.dsn_passed_on,
                                      outcome.deliver_by_passed_on, source});
            delivery.was_answered = true;
            continue;
        }
        const auto& error = result.error();
        const bool is_of_host = error.scope == Scope::host || error.scope == Scope::domain;
        delivery.was_answered = delivery.was_answered || !is_of_host;
        const bool is_lost = error.reply_code == 0 && !error.is_permanent();
        // What the host says about the recipient is entered when it counts, in the end.
        if (is_of_host || (!error.is_permanent() && error.scope == Scope::message && !is_lost)) {
            core_.history.note(delivery.message,
                               {.recipient = number, .at = core_.now(), .error = error});
        }
        const bool is_one_too_many =
            is_some_taken && !is_of_host && !error.is_permanent() && is_too_many_recipients(error);
        if (is_one_too_many || (is_source_refused && smtp::is_about_our_address(error))) {
            sorted.again.push_back(number);
        } else if (is_of_host) {
            sorted.left.push_back(number);
            sorted.refusals.push_back(std::move(delivery.refusals[i]));
            delivery.host_error = error;
        } else if (error.is_permanent()) {
            sorted.settled.push_back({number, Kind::failed, &error, false, false, source});
        } else if (outcome.in_doubt && is_lost) {
            sorted.settled.push_back({number, Kind::in_doubt, &error, false, false, source});
        } else if (error.scope == Scope::recipient) {
            sorted.settled.push_back({number, Kind::deferred, &error, false, false, source});
        } else {
            sorted.left.push_back(number);
            sorted.refusals.emplace_back(error);
        }
    }
    return sorted;
}

void Deliveries::judge(const DeliveryPtr& delivery,
                       const smtp::ClientSession::TransactionEnded& outcome,
                       std::uint32_t connection) {
    const DeliveryError taken{.status = {2, 0, 0},
                              .scope = Scope::recipient,
                              .reply_code = outcome.reply_code,
                              .text = outcome.reply,
                              .remote = pool_[connection].remote()};
    auto [settled, left, refusals, again] = sort_answers(*delivery, outcome, taken, connection);
    if (!again.empty()) {
        // This comes to an end: some were taken, or a source was suspended.
        settle(*delivery, settled);
        put_back(delivery, delivery->was_answered ? How::answered : How::unknown);
        return;
    }
    delivery->recipients = std::move(left);
    delivery->refusals = std::move(refusals);
    if (delivery->recipients.empty()) {
        settle_all(delivery, settled, How::answered);
        return;
    }
    settle(*delivery, settled);
    if (core_.is_draining || !delivery->holds_connection || delivery->sessions >= sessions_max) {
        give_up(delivery);
    } else {
        go_on_after(delivery, connection);
    }
}

void Deliveries::note_host_failure(Delivery& delivery, const DeliveryError& error) {
    for (const auto number : delivery.recipients) {
        core_.history.note(delivery.message,
                           {.recipient = number, .at = core_.now(), .error = error});
    }
    core_.event(HostFailed{delivery.id, parts_.sites[delivery.site].destination.name(), error});
}

// Some are served, the delivery goes on for the others.
void Deliveries::settle(Delivery& delivery, std::span<const Outcome> outcomes) {
    if (outcomes.empty()) return;
    auto& table = core_.table();
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
    auto& table = core_.table();
    for (const auto& outcome : outcomes) {
        parts_.lines.leave(delivery->message,
                           table.recipient(table.message(delivery->message), outcome.recipient));
    }
    delivery->bundle = queue::nothing;
    end(delivery, how);
    parts_.ledger.settle(delivery->message, delivery->content,
                         parts_.sites[delivery->site].destination.name(), outcomes);
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
        if (delivery->refusals[i]) {
            outcomes.push_back({number, Outcome::Kind::deferred, &*delivery->refusals[i]});
        } else if (hopeless != nullptr) {
            outcomes.push_back({number, Outcome::Kind::failed, hopeless});
        }
    }
    if (host_error && host_error->is_permanent()) host_error->status.klass = is_hopeless ? 5 : 4;
    const bool are_all_settled = outcomes.size() == delivery->recipients.size();
    // To be turned away as one too many is no failure.
    const bool has_failed =
        host_error && !is_hopeless && !smtp::is_too_many_connections(*host_error);
    const auto how = delivery->was_answered ? How::answered
                     : has_failed           ? How::failed
                                            : How::unknown;
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
            auto& table = core_.table();
            parts_.lines.leave(message, table.recipient(table.message(message), number));
        }
        delivery->bundle = queue::nothing;
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
    leave_host_line(*delivery);
    give_place_up(*delivery);
    auto& site = parts_.sites[delivery->site];
    auto& destination = site.destination;
    const auto now = core_.now();
    const auto down_since = destination.health().down_since();
    const auto error = delivery->host_error.value_or(DeliveryError{});
    const auto change = destination.end({.was_probe = delivery->is_probe,
                                         .frees_connection = delivery->holds_connection,
                                         .how = how,
                                         .at_start = delivery->at_start,
                                         .may_grow = !site.is_waiting_for_host,
                                         .error = error,
                                         .jitter = core_.scheduler.jitter()},
                                        now);
    using Change = queue::Destination::Change;
    if (change != Change::none || delivery->is_probe) ++core_.troubles_version;
    if (change == Change::went_down) {
        core_.event(DestinationDown{destination.name(), error,
                                    destination.health().next_probe().value_or(now),
                                    destination.waiting()});
    } else if (change == Change::came_up) {
        core_.event(DestinationUp{destination.name(), now - *down_since, destination.waiting()});
    }
    if (delivery->bundle != queue::nothing) {
        const auto message = delivery->message;
        const bool is_held_up =
            !destination.health().is_up() || destination.is_closed() || core_.is_draining;
        const bool waits_for_site = is_held_up && !delivery->is_unreadable;
        auto next_due = Instant{};
        if (waits_for_site) {
            parts_.lines.put_back(delivery->bundle, place_of(*delivery));
        } else {
            auto& entry = core_.table().message(message);
            for (const auto number : delivery->recipients) {
                auto& recipient = core_.table().recipient(entry, number);
                parts_.lines.leave(message, recipient);
                core_.scheduler.postpone(entry, recipient, now);
                // Better than no reason at all; what a remote said of the message is better still.
                if (recipient.error == queue::nothing && !error.text.empty())
                    core_.table().set_error(recipient, error);
                next_due = recipient.due;
            }
            core_.scheduler.rearm(message);
        }
        delivery->bundle = queue::nothing;
        core_.event(Postponed{delivery->id, destination.name(), error, next_due});
    }
    remove(*delivery);
    parts_.sites.end_wake_if_done(delivery->site);
    parts_.sites.refresh(delivery->site);
    core_.request_tick();
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
