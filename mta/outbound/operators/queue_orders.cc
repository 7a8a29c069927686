#include "mta/outbound/operators/queue_orders.h"

#include <algorithm>
#include <utility>

#include "mta/base/domain.h"

namespace mta::outbound {

using queue::RecipientPhase;

template <class Change>
std::size_t QueueOrders::change_recipients(queue::MessageHandle message,
                                           const RecipientNumbers& only, const Change& change) {
    std::size_t changed = 0;
    auto& entry = parts_.scheduler.table().message(message);
    const auto recipients = parts_.scheduler.table().recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        if (only && !std::ranges::binary_search(*only, number)) continue;
        auto& recipient = recipients[number];
        if (!recipient.is_open() || recipient.is_delivering || recipient.is_reported) continue;
        if (change(entry, recipient, number)) ++changed;
    }
    return changed;
}

// Those that wait for a time; what is in a line is due already.
std::size_t QueueOrders::make_due(queue::MessageHandle message, const queue::DomainSet& domains) {
    const auto now = parts_.context.now();
    const auto changed = change_recipients(
        message, std::nullopt,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            if (recipient.phase != RecipientPhase::pending) return false;
            if (parts_.scheduler.waits_for_release(entry, recipient)) return false;
            if (!domains.contains(recipient.domain)) return false;
            if (recipient.is_waiting()) recipient.due = std::min(recipient.due.get(), now);
            return true;
        });
    if (changed > 0) parts_.scheduler.rearm(message);
    parts_.context.request_tick();
    return changed;
}

void QueueOrders::probe_now(queue::SiteHandle site, bool opens_hours) {
    for (const auto& address : parts_.sites[site].addresses)
        parts_.addresses.probe_now(address.endpoint, parts_.context.now());
    parts_.attempts.probe_now(site);
    parts_.sites.wake(site, opens_hours);
}

void QueueOrders::wake_domain(queue::DomainHandle domain, bool has_mail) {
    parts_.router.probe_now(domain);
    for (const auto site : parts_.router.sites_of(domain)) probe_now(site, has_mail);
}

std::size_t QueueOrders::flush(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = parts_.scheduler.table().find(id);
    if (!message) return 0;
    const auto now = parts_.context.now();
    const auto flushed = change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            if (recipient.phase != RecipientPhase::pending) return false;
            if (parts_.scheduler.waits_for_release(entry, recipient)) return false;
            if (recipient.is_waiting()) recipient.due = std::min(recipient.due.get(), now);
            wake_domain(recipient.domain, true);
            return true;
        });
    if (flushed > 0) parts_.scheduler.rearm(message);
    parts_.context.request_tick();
    return flushed;
}

std::size_t QueueOrders::hold(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = parts_.scheduler.table().find(id);
    if (!message) return 0;
    parts_.attempts.put_back_queued(message);
    const auto held = change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            if (recipient.phase == RecipientPhase::held) return false;
            parts_.lines.leave(message, recipient);
            parts_.scheduler.table().set_phase(entry, recipient, RecipientPhase::held);
            return true;
        });
    if (held > 0) parts_.ledger.commit(message);
    return held;
}

std::size_t QueueOrders::release(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = parts_.scheduler.table().find(id);
    if (!message) return 0;
    const auto now = parts_.context.now();
    const auto released = change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            const bool was_held = recipient.phase == RecipientPhase::held;
            if (was_held)
                parts_.scheduler.table().set_phase(entry, recipient, RecipientPhase::pending);
            const bool waits_on =
                parts_.scheduler.waits_for_release(entry, recipient) && recipient.due > now;
            if (was_held != waits_on) recipient.due = now;
            return was_held || waits_on;
        });
    if (released > 0) parts_.ledger.commit(message);
    parts_.context.request_tick();
    return released;
}

std::size_t QueueOrders::cancel(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = parts_.scheduler.table().find(id);
    if (!message) return 0;
    parts_.attempts.put_back_queued(message);
    const auto cancelled = change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            parts_.lines.leave(message, recipient);
            parts_.scheduler.table().set_phase(entry, recipient, RecipientPhase::cancelled);
            return true;
        });
    if (cancelled > 0) {
        parts_.context.event(events::Cancelled{id, cancelled});
        parts_.ledger.commit(message);
    }
    parts_.context.request_tick();
    return cancelled;
}

std::size_t QueueOrders::fail_open(queue::MessageHandle message,
                                   const std::shared_ptr<const queue::Message>& content,
                                   const RecipientNumbers& only, const std::string& reason) {
    const DeliveryError error{.status = {5, 3, 0}, .scope = Scope::message, .text = reason};
    std::vector<Outcome> outcomes;
    parts_.attempts.put_back_queued(message);
    change_recipients(
        message, only,
        [&](queue::MessageEntry&, queue::RecipientEntry& recipient, std::uint32_t number) {
            parts_.lines.leave(message, recipient);
            outcomes.push_back({number, Outcome::Kind::bounced, &error});
            return true;
        });
    if (!outcomes.empty()) parts_.ledger.settle(message, content, {}, outcomes);
    parts_.context.request_tick();
    return outcomes.size();
}

std::size_t QueueOrders::bounce(queue::MessageId id, const std::string& reason,
                                const RecipientNumbers& only) {
    const auto message = parts_.scheduler.table().find(id);
    if (!message) return 0;
    const auto content = parts_.copies.get(message);
    return fail_open(message, content, only, reason);
}

}  // namespace mta::outbound
