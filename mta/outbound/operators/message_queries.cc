#include "mta/outbound/operators/message_queries.h"

#include <utility>

namespace mta::outbound {
namespace {

using queue::RecipientPhase;

void describe_health(const queue::Health& health, Blocker& blocker) {
    if (health.is_up()) return;
    blocker.since = health.down_since();
    blocker.failures = health.failures();
    blocker.is_probing = health.is_probing();
}

}  // namespace

ViewState state_of(const queue::RecipientEntry& recipient) {
    if (!recipient.is_open()) return ViewState::done;
    if (recipient.is_delivering) return ViewState::delivering;
    if (recipient.phase == RecipientPhase::held) return ViewState::held;
    return recipient.is_in_doubt ? ViewState::in_doubt : ViewState::queued;
}

std::optional<MessageView> MessageQueries::find(queue::MessageId id) const {
    const auto message = parts_.scheduler.table().find(id);
    if (!message) return std::nullopt;
    return view_of(message);
}

void MessageQueries::describe(queue::MessageId id, OnDescribed on_described) {
    auto on_read = [this, id, on_described = std::move(on_described)](
                       queue::StoreResult<queue::StoredMessage> stored) mutable {
        const auto message = parts_.scheduler.table().find(id);
        if (!stored) {
            on_described(std::unexpected(std::move(stored.error())));
        } else if (!message) {
            on_described(std::unexpected(
                queue::StoreError{queue::StoreError::Kind::not_found, "it is done"}));
        } else {
            on_described(described(message, std::move(*stored)));
        }
    };
    parts_.store.read(id, reads_.guard(std::move(on_read)));
}

MessageView MessageQueries::described(queue::MessageHandle message,
                                      queue::StoredMessage stored) const {
    auto view = view_of(message);
    view.message = std::move(stored.message);
    view.size_bytes = view.message->facts.size;
    describe_history(message, view);
    const auto& recipients = view.message->envelope.recipients;
    const auto entries = parts_.scheduler.table().recipients(message);
    std::size_t next = 0;
    for (std::size_t number = 0; number < entries.size(); ++number) {
        if (entries[number].is_open()) view.recipients[next++].address = recipients[number].address;
    }
    return view;
}

MessageView MessageQueries::view_of(queue::MessageHandle message) const {
    const auto& table = parts_.scheduler.table();
    const auto& entry = table.message(message);
    MessageView view{.id = entry.id,
                     .arrived = entry.arrival,
                     .size_bytes = std::uint64_t{entry.size_kib} * 1024,
                     .sender = std::string(table.sender(entry)),
                     .requests = table.requests(entry),
                     .message = nullptr,
                     .recipients = {}};
    const auto recipients = table.recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        if (!recipients[number].is_open()) continue;
        view.recipients.push_back(view_of(entry, recipients[number]));
        view.recipients.back().number = number;
    }
    return view;
}

RecipientView MessageQueries::view_of(const queue::MessageEntry& message,
                                      const queue::RecipientEntry& recipient) const {
    const auto& table = parts_.scheduler.table();
    RecipientView view;
    view.domain = table.domain(recipient.domain).name;
    view.state = state_of(recipient);
    view.attempts = recipient.attempts;
    view.expires = parts_.scheduler.expiry(message, recipient);
    if (recipient.last_attempt_s != 0)
        view.last_attempt = from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000);
    if (auto reason = parts_.whereabouts.reason_of(recipient)) view.last_error = std::move(*reason);
    if (const auto* const site = parts_.whereabouts.site_of(message, recipient))
        view.destination = site->plan.name;
    describe_wait(message, recipient, view);
    if (recipient.is_waiting()) view.next_attempt = recipient.due;
    if (view.reason == WaitReason::destination_down || view.reason == WaitReason::dns_down ||
        view.reason == WaitReason::window)
        view.next_attempt = view.until;
    return view;
}

void MessageQueries::describe_wait(const queue::MessageEntry& message,
                                   const queue::RecipientEntry& recipient,
                                   RecipientView& view) const {
    if (!recipient.is_open()) {
        view.reason = WaitReason::not_waiting;
    } else if (recipient.is_reported) {
        view.reason = WaitReason::report;
    } else if (recipient.phase == RecipientPhase::held) {
        view.reason = WaitReason::held;
    } else if (recipient.is_delivering) {
        const auto waiting =
            parts_.attempts.waiting_for_host(parts_.bundles[recipient.bundle].site);
        const bool is_waiting = waiting && waiting->bundle == recipient.bundle;
        view.reason = is_waiting ? WaitReason::destination_limit : WaitReason::delivering;
        if (is_waiting && waiting->until > parts_.context.now()) view.until = waiting->until;
    } else if (parts_.context.is_draining()) {
        view.reason = WaitReason::draining;
    } else if (!recipient.bundle) {
        view.reason = parts_.scheduler.waits_for_release(message, recipient)
                          ? WaitReason::future_release
                          : WaitReason::next_attempt;
        view.until = recipient.due;
    } else {
        const auto& bundle = parts_.bundles[recipient.bundle];
        if (bundle.state == queue::Bundle::State::routing) {
            describe_wait_for_domain(bundle, view);
        } else {
            describe_wait_for_site(bundle, view);
        }
    }
}

void MessageQueries::describe_wait_for_domain(const queue::Bundle& bundle,
                                              RecipientView& view) const {
    const auto domain = parts_.router.view(bundle.domain);
    const bool is_down = domain.health != nullptr && !domain.health->is_up();
    view.reason = domain.has_no_room ? WaitReason::dns_turn
                  : is_down          ? WaitReason::dns_down
                                     : WaitReason::dns_answer;
    if (view.reason == WaitReason::dns_down) view.until = domain.health->next_probe();
}

void MessageQueries::describe_wait_for_site(const queue::Bundle& bundle,
                                            RecipientView& view) const {
    using Wait = queue::Destination::Wait;
    const auto& site = parts_.sites[bundle.site];
    const auto& destination = site.destination;
    const auto wait = site.wait(parts_.context.now());
    const bool is_all_mail = wait == Wait::down || wait == Wait::slowed || wait == Wait::closed;
    switch (bundle.is_aside && !is_all_mail ? Wait::mailbox : wait) {
        case Wait::down:
            view.reason = WaitReason::destination_down;
            view.until = destination.health().next_probe();
            return;
        case Wait::slowed:
            view.reason = WaitReason::destination_slowed;
            view.until = destination.next_start();
            return;
        case Wait::closed:
            view.reason = WaitReason::window;
            view.until = site.hours.next_begin();
            return;
        case Wait::limit:
            view.reason =
                site.is_looking_up ? WaitReason::dns_answer : WaitReason::destination_limit;
            if (const auto waiting = parts_.attempts.waiting_for_host(bundle.site);
                waiting && waiting->until > parts_.context.now())
                view.until = waiting->until;
            return;
        case Wait::message_rate:
        case Wait::connection_rate:
            view.reason =
                wait == Wait::message_rate ? WaitReason::message_rate : WaitReason::connection_rate;
            view.until = destination.rates().next_allowed(site.needs());
            return;
        case Wait::mailbox: view.reason = WaitReason::mailbox_turn; return;
        case Wait::turn:
        case Wait::empty:
            view.reason = parts_.sites.trials_before(bundle.site) ? WaitReason::unanswered_limit
                                                                  : WaitReason::connections_limit;
            return;
    }
}

void MessageQueries::describe_blocker(const queue::RecipientEntry& recipient,
                                      RecipientView& view) const {
    auto& blocker = view.blocker;
    if (view.reason == WaitReason::connections_limit) {
        blocker.busy = parts_.attempts.connections();
        blocker.limit = parts_.context.settings().delivery.connections_max;
    }
    if (!recipient.bundle) return;
    const auto& bundle = parts_.bundles[recipient.bundle];
    if (bundle.state == queue::Bundle::State::routing) {
        const auto domain = parts_.router.view(bundle.domain);
        if (domain.health != nullptr) describe_health(*domain.health, blocker);
        blocker.looks_up_since = domain.asked_since;
        blocker.in_line = parts_.scheduler.table().domain(recipient.domain).recipients;
        return;
    }
    const auto& site = parts_.sites[bundle.site];
    if (view.reason == WaitReason::unanswered_limit) {
        const auto trials = parts_.sites.trials_before(bundle.site);
        blocker.busy = trials ? trials->under_way : 0;
        blocker.limit = trials ? trials->most : 0;
    }
    describe_health(site.destination.health(), blocker);
    blocker.in_line = site.destination.waiting();
    if (view.reason == WaitReason::destination_limit) {
        blocker.busy = site.destination.busy();
        blocker.limit = site.connections_limit(parts_.context.now());
        if (auto waiting = parts_.attempts.waiting_for_host(bundle.site)) {
            blocker.busy = waiting->connections;
            blocker.limit = waiting->limit;
            blocker.remote = std::move(waiting->host);
        }
    } else if (view.reason == WaitReason::message_rate && site.limits.message_rate) {
        blocker.rate = to_string(*site.limits.message_rate);
    } else if (view.reason == WaitReason::connection_rate && site.limits.connection_rate) {
        blocker.rate = to_string(*site.limits.connection_rate);
    } else if (view.reason == WaitReason::delivering) {
        auto progress = parts_.attempts.progress_of(recipient.bundle);
        blocker.remote = std::move(progress.remote);
        blocker.looks_up_since = progress.looks_up_since;
        view.until = progress.deadline;
    } else if (view.reason == WaitReason::dns_answer) {
        blocker.looks_up_since = parts_.attempts.looks_up_since(bundle.site);
    }
}

void MessageQueries::describe_history(queue::MessageHandle message, MessageView& view) const {
    view.started = started_;
    auto remembered = parts_.history.of(message);
    const auto recipients = parts_.scheduler.table().recipients(message);
    for (auto& recipient : view.recipients) {
        recipient.attempts_made = std::move(remembered.recipients[recipient.number]);
        recipient.is_history_cut = remembered.is_cut;
        describe_blocker(recipients[recipient.number], recipient);
    }
}

}  // namespace mta::outbound
