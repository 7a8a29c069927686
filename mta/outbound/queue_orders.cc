// What operators order: each touches what is not being delivered at the moment.
#include <algorithm>
#include <utility>

#include "mta/base/domain.h"
#include "mta/outbound/queue_manager.h"
#include "mta/outbound/queue_manager_impl.h"

namespace mta::outbound {

using queue::RecipientPhase;

template <class Change>
std::size_t QueueManager::Impl::change_recipients(queue::MessageHandle message,
                                                  const RecipientNumbers& only,
                                                  const Change& change) {
    std::size_t changed = 0;
    auto& entry = scheduler.table().message(message);
    const auto recipients = scheduler.table().recipients(message);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        if (only && !std::ranges::binary_search(*only, number)) continue;
        auto& recipient = recipients[number];
        if (!recipient.is_open() || recipient.is_delivering || recipient.is_reported) continue;
        if (change(entry, recipient, number)) ++changed;
    }
    return changed;
}

// Those that wait for a time; what is in a line is due already.
std::size_t QueueManager::Impl::make_due(queue::MessageHandle message,
                                         const queue::DomainSet* domains) {
    const auto now = context.now();
    const auto changed = change_recipients(
        message, std::nullopt,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            if (recipient.phase != RecipientPhase::pending) return false;
            if (scheduler.waits_for_release(entry, recipient)) return false;
            if (domains != nullptr && !domains->contains(recipient.domain)) return false;
            if (recipient.is_waiting()) recipient.due = std::min(recipient.due.get(), now);
            return true;
        });
    if (changed > 0) scheduler.rearm(message);
    context.request_tick();
    return changed;
}

void QueueManager::Impl::probe_now(queue::SiteHandle site, bool opens_hours) {
    for (const auto& address : sites[site].addresses)
        addresses.probe_now(address.endpoint, context.now());
    deliveries.probe_now(site);
    sites.wake(site, opens_hours);
}

std::size_t QueueManager::flush() {
    std::size_t flushed = 0;
    for (const auto message : impl_->scheduler.table().messages())
        if (impl_->scheduler.table().message(message).id != 0)
            flushed += impl_->make_due(message, nullptr);
    for (const auto domain : impl_->scheduler.table().domains())
        if (!impl_->scheduler.table().domain(domain).name.empty()) impl_->router.probe_now(domain);
    for (const auto handle : impl_->sites.handles()) {
        if (impl_->sites.is_used(handle)) impl_->probe_now(handle, false);
    }
    return flushed;
}

std::size_t QueueManager::flush_domain(const std::string& domain) {
    const auto is_meant = impl_->domains_of(domain);
    if (is_meant.is_empty()) return 0;
    std::size_t flushed = 0;
    for (const auto message : impl_->scheduler.table().messages())
        if (impl_->scheduler.table().message(message).id != 0)
            flushed += impl_->make_due(message, &is_meant);
    for (const auto named : impl_->scheduler.table().domains())
        if (is_meant.contains(named)) impl_->wake_domain(named, flushed > 0);
    return flushed;
}

queue::DomainSet QueueManager::Impl::domains_of(const std::string& pattern) const {
    const auto& table = scheduler.table();
    queue::DomainSet meant;
    if (!pattern.starts_with('.')) {
        if (const auto domain = table.find_domain(pattern)) meant.insert(domain);
        return meant;
    }
    for (const auto domain : table.domains())
        if (is_under(table.domain(domain).name, std::string_view(pattern).substr(1)))
            meant.insert(domain);
    return meant;
}

void QueueManager::Impl::wake_domain(queue::DomainHandle domain, bool has_mail) {
    router.probe_now(domain);
    for (const auto site : router.sites_of(domain)) probe_now(site, has_mail);
}

std::size_t QueueManager::flush_message(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = impl_->scheduler.table().find(id);
    if (!message) return 0;
    const auto now = impl_->context.now();
    const auto flushed = impl_->change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            if (recipient.phase != RecipientPhase::pending) return false;
            if (impl_->scheduler.waits_for_release(entry, recipient)) return false;
            if (recipient.is_waiting()) recipient.due = std::min(recipient.due.get(), now);
            impl_->wake_domain(recipient.domain, true);
            return true;
        });
    if (flushed > 0) impl_->scheduler.rearm(message);
    impl_->context.request_tick();
    return flushed;
}

WakeUp QueueManager::wake(const std::string& domain, bool is_tree) {
    return impl_->wake_ups.ask(domain, is_tree);
}

std::size_t QueueManager::hold(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = impl_->scheduler.table().find(id);
    if (!message) return 0;
    impl_->deliveries.put_back_waiting(message);
    const auto held = impl_->change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            if (recipient.phase == RecipientPhase::held) return false;
            impl_->lines.leave(message, recipient);
            impl_->scheduler.table().set_phase(entry, recipient, RecipientPhase::held);
            return true;
        });
    if (held > 0) impl_->ledger.commit(message);
    return held;
}

std::size_t QueueManager::release(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = impl_->scheduler.table().find(id);
    if (!message) return 0;
    const auto now = impl_->context.now();
    const auto released = impl_->change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            const bool was_held = recipient.phase == RecipientPhase::held;
            if (was_held)
                impl_->scheduler.table().set_phase(entry, recipient, RecipientPhase::pending);
            const bool waits_on =
                impl_->scheduler.waits_for_release(entry, recipient) && recipient.due > now;
            if (was_held != waits_on) recipient.due = now;
            return was_held || waits_on;
        });
    if (released > 0) impl_->ledger.commit(message);
    impl_->context.request_tick();
    return released;
}

std::size_t QueueManager::cancel(queue::MessageId id, const RecipientNumbers& only) {
    const auto message = impl_->scheduler.table().find(id);
    if (!message) return 0;
    impl_->deliveries.put_back_waiting(message);
    const auto cancelled = impl_->change_recipients(
        message, only,
        [&](queue::MessageEntry& entry, queue::RecipientEntry& recipient, std::uint32_t) {
            impl_->lines.leave(message, recipient);
            impl_->scheduler.table().set_phase(entry, recipient, RecipientPhase::cancelled);
            return true;
        });
    if (cancelled > 0) {
        impl_->context.event(events::Cancelled{id, cancelled});
        impl_->ledger.commit(message);
    }
    impl_->context.request_tick();
    return cancelled;
}

std::size_t QueueManager::Impl::fail_open(queue::MessageHandle message,
                                          const std::shared_ptr<const queue::Message>& content,
                                          const RecipientNumbers& only, const std::string& reason) {
    const DeliveryError error{.status = {5, 3, 0}, .scope = Scope::message, .text = reason};
    std::vector<Outcome> outcomes;
    deliveries.put_back_waiting(message);
    change_recipients(
        message, only,
        [&](queue::MessageEntry&, queue::RecipientEntry& recipient, std::uint32_t number) {
            lines.leave(message, recipient);
            outcomes.push_back({number, Outcome::Kind::bounced, &error});
            return true;
        });
    if (!outcomes.empty()) ledger.settle(message, content, {}, outcomes);
    context.request_tick();
    return outcomes.size();
}

std::size_t QueueManager::bounce(queue::MessageId id, const std::string& reason,
                                 const RecipientNumbers& only) {
    const auto message = impl_->scheduler.table().find(id);
    if (!message) return 0;
    const auto content = impl_->copies.get(message);
    return impl_->fail_open(message, content, only, reason);
}

}  // namespace mta::outbound
