// What operators ask about one message, destination or domain: everything here only reads.
#include <algorithm>
#include <limits>
#include <utility>

#include "mta/base/domain.h"
#include "mta/outbound/queue_manager.h"
#include "mta/outbound/queue_manager_impl.h"

namespace mta::outbound {
using queue::RecipientPhase;

ViewState state_of(const queue::RecipientEntry& recipient) {
    if (!recipient.is_open()) return ViewState::done;
    if (recipient.is_delivering) return ViewState::delivering;
    if (recipient.phase == RecipientPhase::held) return ViewState::held;
    return recipient.is_in_doubt ? ViewState::in_doubt : ViewState::queued;
}

const queue::Health* QueueManager::Impl::health_of(const queue::RecipientEntry& recipient) const {
    if (!recipient.bundle) return nullptr;
    const auto& bundle = bundles[recipient.bundle];
    return bundle.state == queue::Bundle::State::routing ? router.view(bundle.domain).health
                                                         : &sites[bundle.site].destination.health();
}

std::optional<DeliveryError> QueueManager::Impl::reason_of(
    const queue::RecipientEntry& recipient) const {
    const auto* const health = health_of(recipient);
    if (health != nullptr && !health->is_up()) return health->last_error();
    if (recipient.error) return scheduler.table().error(recipient);
    return std::nullopt;
}

const void* QueueManager::Impl::reason_identity(const queue::RecipientEntry& recipient) const {
    const auto* const health = health_of(recipient);
    if (health != nullptr && !health->is_up()) return &health->last_error();
    if (recipient.error) return scheduler.table().error_identity(recipient);
    return nullptr;
}

const Site* QueueManager::Impl::site_of(const queue::MessageEntry& message,
                                        const queue::RecipientEntry& recipient) const {
    if (recipient.bundle && bundles[recipient.bundle].state != queue::Bundle::State::routing) {
        return &sites[bundles[recipient.bundle].site];
    }
    const auto routed = router.view(recipient.domain, router.source_of(message)).site;
    return routed ? &sites[routed] : nullptr;
}

void QueueManager::Impl::describe_wait(const queue::MessageEntry& message,
                                       const queue::RecipientEntry& recipient,
                                       RecipientView& view) const {
    if (!recipient.is_open()) {
        view.reason = WaitReason::not_waiting;
    } else if (recipient.is_reported) {
        view.reason = WaitReason::report;
    } else if (recipient.phase == RecipientPhase::held) {
        view.reason = WaitReason::held;
    } else if (recipient.is_delivering) {
        const auto waiting = attempts.waiting_for_host(bundles[recipient.bundle].site);
        const bool is_waiting = waiting && waiting->bundle == recipient.bundle;
        view.reason = is_waiting ? WaitReason::destination_limit : WaitReason::delivering;
        if (is_waiting && waiting->until > context.now()) view.until = waiting->until;
    } else if (context.is_draining()) {
        view.reason = WaitReason::draining;
    } else if (!recipient.bundle) {
        view.reason = scheduler.waits_for_release(message, recipient) ? WaitReason::future_release
                                                                      : WaitReason::next_attempt;
        view.until = recipient.due;
    } else {
        const auto& bundle = bundles[recipient.bundle];
        using Wait = queue::Destination::Wait;
        if (bundle.state == queue::Bundle::State::routing) {
            const auto domain = router.view(bundle.domain);
            const bool is_down = domain.health != nullptr && !domain.health->is_up();
            view.reason = domain.has_no_room ? WaitReason::dns_turn
                          : is_down          ? WaitReason::dns_down
                                             : WaitReason::dns_answer;
            if (view.reason == WaitReason::dns_down) view.until = domain.health->next_probe();
            return;
        }
        const auto& site = sites[bundle.site];
        const auto& destination = site.destination;
        const auto wait = site.wait(context.now());
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
                if (const auto waiting = attempts.waiting_for_host(bundle.site);
                    waiting && waiting->until > context.now())
                    view.until = waiting->until;
                return;
            case Wait::message_rate:
            case Wait::connection_rate:
                view.reason = wait == Wait::message_rate ? WaitReason::message_rate
                                                         : WaitReason::connection_rate;
                view.until = destination.next_allowed(site.needs());
                return;
            case Wait::mailbox: view.reason = WaitReason::mailbox_turn; return;
            case Wait::turn:
            case Wait::empty:
                view.reason = sites.trials_before(bundle.site) ? WaitReason::unanswered_limit
                                                               : WaitReason::connections_limit;
                return;
        }
    }
}

RecipientView QueueManager::Impl::view_of(const queue::MessageEntry& message,
                                          const queue::RecipientEntry& recipient) const {
    const auto& table = scheduler.table();
    RecipientView view;
    view.domain = table.domain(recipient.domain).name;
    view.state = state_of(recipient);
    view.attempts = recipient.attempts;
    view.expires = scheduler.expiry(message, recipient);
    if (recipient.last_attempt_s != 0)
        view.last_attempt = from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000);
    if (auto reason = reason_of(recipient)) view.last_error = std::move(*reason);
    if (const auto* const site = site_of(message, recipient)) view.destination = site->plan.name;
    describe_wait(message, recipient, view);
    if (recipient.is_waiting()) view.next_attempt = recipient.due;
    if (view.reason == WaitReason::destination_down || view.reason == WaitReason::dns_down ||
        view.reason == WaitReason::window)
        view.next_attempt = view.until;
    return view;
}

MessageView QueueManager::Impl::view_of(queue::MessageHandle message) const {
    const auto& table = scheduler.table();
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

DestinationView QueueManager::Impl::site_view_of(queue::SiteHandle handle) const {
    const auto& site = sites[handle];
    const auto& destination = site.destination;
    const auto& health = destination.health();
    DestinationView view{.name = site.plan.name,
                         .source = site.plan.source,
                         .waiting = destination.waiting(),
                         .delivering = destination.delivering(),
                         .connections = site.connections,
                         .connections_limit = site.connections_limit(context.now()),
                         .down_since = health.down_since(),
                         .next_probe = health.next_probe(),
                         .opens_at = std::nullopt,
                         .last_error = std::nullopt,
                         .unwell = {},
                         .suspended = {}};
    if (!health.is_up()) view.last_error = health.last_error();
    if (destination.is_closed()) view.opens_at = site.hours.next_begin();
    for (const auto& known : site.addresses) {
        if (auto trouble = addresses.trouble(known.endpoint))
            view.unwell.push_back({known.host, to_string(known.endpoint), trouble->down_since,
                                   trouble->next_probe, std::move(trouble->error)});
    }
    for (auto& suspension : site.sources.suspensions(context.now()))
        view.suspended.push_back(
            {std::move(suspension.source), suspension.until, std::move(suspension.error)});
    return view;
}

Counters QueueManager::counters() const {
    const auto& table = impl_->scheduler.table();
    auto counters = impl_->totals;
    counters.messages = table.message_count();
    counters.recipients = table.open_count();
    counters.held = table.held_count();
    counters.delivering = impl_->attempts.count();
    counters.connections = impl_->attempts.pool().total();
    counters.body_bytes_in_memory = impl_->copies.bytes();
    for (const auto handle : impl_->sites.handles()) {
        if (impl_->sites.is_used(handle) && !impl_->sites[handle].destination.health().is_up())
            ++counters.destinations_down;
    }
    return counters;
}

std::optional<MessageView> QueueManager::find(queue::MessageId id) const {
    const auto message = impl_->scheduler.table().find(id);
    if (!message) return std::nullopt;
    return impl_->view_of(message);
}

void QueueManager::describe(queue::MessageId id, OnDescribed on_described) {
    auto on_read = [this, id, on_described = std::move(on_described)](
                       queue::StoreResult<queue::StoredMessage> stored) mutable {
        const auto message = impl_->scheduler.table().find(id);
        if (!stored || !message) {
            on_described(std::unexpected(
                stored ? queue::StoreError{queue::StoreError::Kind::not_found, "it is done"}
                       : std::move(stored.error())));
            return;
        }
        auto view = impl_->view_of(message);
        view.message = std::move(stored->message);
        view.size_bytes = view.message->facts.size;
        impl_->describe_history(message, view);
        const auto& recipients = view.message->envelope.recipients;
        std::size_t next = 0;
        const auto entries = std::as_const(impl_->scheduler.table()).recipients(message);
        for (std::size_t number = 0; number < entries.size(); ++number) {
            if (entries[number].is_open())
                view.recipients[next++].address = recipients[number].address;
        }
        on_described(std::move(view));
    };
    impl_->ports.store.read(id, impl_->reads.guard(std::move(on_read)));
}

namespace {

bool is_busy(const Site& site) {
    const auto& destination = site.destination;
    return destination.waiting() > 0 || destination.delivering() > 0 || site.connections > 0 ||
           !destination.health().is_up();
}

bool is_before_by_name(const Site& a, const Site& b) { return a.plan.name < b.plan.name; }

bool is_worse(const Site& a, const Site& b) {
    const auto measure = [](const Site& site) {
        return std::pair(-static_cast<std::int64_t>(site.destination.waiting()),
                         site.destination.health().down_since());
    };
    return measure(a) < measure(b);
}

}  // namespace

// Only those that are shown are copied: there may be a hundred thousand others.
DestinationList QueueManager::Impl::list_sites(bool (*is_meant)(const Site&),
                                               bool (*is_before)(const Site&, const Site&),
                                               std::size_t limit) const {
    std::vector<queue::SiteHandle> found;
    for (const auto handle : sites.handles()) {
        if (sites.is_used(handle) && is_meant(sites[handle])) found.push_back(handle);
    }
    DestinationList list{.views = {}, .count = found.size()};
    const auto shown = std::min(limit, found.size());
    std::ranges::partial_sort(
        found, found.begin() + static_cast<std::ptrdiff_t>(shown),
        [&](queue::SiteHandle a, queue::SiteHandle b) { return is_before(sites[a], sites[b]); });
    for (std::size_t i = 0; i < shown; ++i) list.views.push_back(site_view_of(found[i]));
    return list;
}

DestinationList QueueManager::busy_destinations(std::size_t limit) const {
    return impl_->list_sites(is_busy, is_before_by_name, limit);
}

DestinationList QueueManager::destinations_in_trouble(std::size_t limit) const {
    return impl_->list_sites([](const Site& site) { return !site.destination.health().is_up(); },
                             is_worse, limit);
}

std::vector<DestinationView> QueueManager::destinations(const std::string& name) const {
    if (name.empty()) return busy_destinations(std::numeric_limits<std::size_t>::max()).views;
    std::vector<DestinationView> views;
    for (const auto handle : impl_->sites.handles()) {
        if (impl_->sites.is_used(handle) && impl_->sites[handle].plan.name == name)
            views.push_back(impl_->site_view_of(handle));
    }
    return views;
}

std::optional<DomainView> QueueManager::domain(const std::string& name) const {
    const auto& table = impl_->scheduler.table();
    const auto domain = table.find_domain(name);
    if (!domain || table.domain(domain).recipients == 0) return std::nullopt;
    DomainView view;
    view.domain = name;
    view.is_static_route = impl_->router.is_static(domain);
    view.recipients = table.domain(domain).recipients;
    const auto routed = impl_->router.view(domain);
    if (routed.site) {
        view.destination = impl_->sites[routed.site].plan.name;
        view.site = impl_->site_view_of(routed.site);
    }
    if (routed.health != nullptr && !routed.health->is_up()) {
        view.dns_down_since = routed.health->down_since();
        view.next_look_up = routed.health->next_probe();
        view.dns_error = routed.health->last_error();
    }
    return view;
}

std::string QueueManager::check() const {
    if (impl_->context.is_draining()) return {};
    if (auto wrong = impl_->scheduler.check(); !wrong.empty()) return wrong;
    if (auto wrong = impl_->router.check(); !wrong.empty()) return wrong;
    const bool are_connections_left =
        impl_->attempts.connections() < impl_->context.settings().delivery.connections_max;
    if (auto wrong = impl_->attempts.check(); !wrong.empty()) return wrong;
    return impl_->sites.check(are_connections_left);
}

}  // namespace mta::outbound
