// Deliveries that wait for room at a host, and sources that a site refuses.
#include <algorithm>
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"
#include "mta/outbound/attempt/deliveries.h"

namespace mta::outbound {

HostLimits::HostPtr Deliveries::limit_of(const Delivery& delivery, const conf::NextHopHost& host) {
    const auto& settings = context_.settings();
    const auto& site = parts_.sites[delivery.site];
    const auto literal = dns::address_of_literal(host.host);
    const auto name = literal ? literal->to_string() : host.host;
    // What is said of the host itself holds for all sites that lead to it.
    auto most =
        std::max(settings.delivery.connections_per_destination_max, site.limits.connections_max);
    if (const auto rule = find_site_rule(settings, name))
        most = site_limits(settings, rule).connections_max;
    return hosts_.host(name + ':' + std::to_string(host.port),
                       concurrency_policy(site.plan.is_static, most));
}

void Deliveries::wait_for_host(const DeliveryPtr& delivery) {
    auto& site = parts_.sites[delivery->site];
    // One of each site is enough: whoever is called brings the others.
    if (site.is_waiting_for_host) return put_back(delivery, How::unknown);
    end_long_look_up(*delivery);
    set_unconnected(*delivery, false);
    end_trial(*delivery);
    give_place_up(*delivery);
    delivery->waiting_at = delivery->full;
    auto& host = *delivery->waiting_at;
    host.line.push_back(delivery->site);
    waiting_for_host_[delivery->site] = delivery;
    site.is_waiting_for_host = site.knows_full_host = true;
    watch_expiry(*delivery);
    if (host.closed_until > context_.now()) {
        paused_.emplace(host.closed_until, delivery);
    } else {
        pool_.close_idle_to(host);
    }
    parts_.sites.refresh(delivery->site);
}

void Deliveries::leave_host_line(Delivery& delivery) {
    const auto host = std::exchange(delivery.waiting_at, nullptr);
    if (!host) return;
    std::erase(host->line, delivery.site);
    waiting_for_host_.erase(delivery.site);
    expiries_.clear(delivery.site);
    parts_.sites[delivery.site].is_waiting_for_host = false;
    parts_.sites.refresh(delivery.site);
    // The first one may have been the only one who would be called: now the next one is.
    if (host->line.empty()) return;
    hosts_with_room_.push_back(host);
    context_.request_tick();
}

// Who was called has a connection, or does not come.
void Deliveries::give_place_up(Delivery& delivery) {
    const auto host = std::exchange(delivery.called_to, nullptr);
    if (!host) return;
    --host->called;
    if (host->line.empty()) return;
    hosts_with_room_.push_back(host);
    context_.request_tick();
}

// Who waits is not being delivered: he expires like anybody in line, in which he is put for it.
void Deliveries::watch_expiry(const Delivery& delivery) {
    const auto& entry = parts_.scheduler.table().message(delivery.message);
    auto first = Instant::max();
    for (const auto number : delivery.recipients) {
        const auto& recipient = parts_.scheduler.table().recipient(entry, number);
        first = std::min(first, parts_.scheduler.gives_up_at(entry, recipient).value_or(first));
    }
    if (first == Instant::max()) {
        expiries_.clear(delivery.site);
    } else {
        expiries_.set(delivery.site, first);
    }
}

void Deliveries::put_back_expired() {
    for (const auto site : expiries_.advance(context_.now()))
        put_back(take_waiting(site), How::unknown);
}

void Deliveries::put_back_waiting(queue::MessageHandle message) {
    for (const auto site : sites_waiting_with(message)) put_back(take_waiting(site), How::unknown);
}

std::vector<queue::SiteHandle> Deliveries::sites_waiting_with(queue::MessageHandle message) const {
    std::vector<queue::SiteHandle> sites;
    for (auto bundle = parts_.scheduler.table().message(message).first_bundle; bundle;
         bundle = parts_.bundles[bundle].next_of_message) {
        const auto waiting = waiting_for_host(parts_.bundles[bundle].site);
        if (waiting && waiting->bundle == bundle) sites.push_back(parts_.bundles[bundle].site);
    }
    return sites;
}

void Deliveries::serve_line_of(const HostLimits::HostPtr& host) {
    while (!host->line.empty() && HostLimits::has_room(*host, context_.now())) {
        const auto delivery = waiting_for_host_.at(host->line.front()).lock();
        MTA_ASSERT(delivery);
        leave_host_line(*delivery);
        if (!is_place_left(delivery->site)) {
            put_back(delivery, How::unknown);
            continue;
        }
        delivery->called_to = host;
        ++host->called;
        set_unconnected(*delivery, true);
        begin_trial(delivery);
        go_back_to_full_host(*delivery);
        advance(delivery);
    }
    // It was closed while they waited for a connection to end.
    if (!host->line.empty() && host->closed_until > context_.now())
        paused_.emplace(host->closed_until, waiting_for_host_.at(host->line.front()));
}

// A connection of the site has nothing to do: that is as good as a new one.
Deliveries::DeliveryPtr Deliveries::take_waiting(queue::SiteHandle site) {
    const auto waiting = waiting_for_host_.find(site);
    if (waiting == waiting_for_host_.end()) return nullptr;
    const auto delivery = waiting->second.lock();
    MTA_ASSERT(delivery);
    leave_host_line(*delivery);
    return delivery;
}

// Who was offered elsewhere before needs another turn of the message rate. False: it is too early,
// the delivery is over and its bundle in line again.
bool Deliveries::take_over(const DeliveryPtr& delivery) {
    auto& destination = parts_.sites[delivery->site].destination;
    const queue::Destination::Needs needs{.message = !delivery->may_send, .connection = false};
    if (destination.next_allowed(needs) > context_.now()) {
        put_back(delivery, How::unknown);
        return false;
    }
    destination.take(context_.now(), needs);
    return true;
}

void Deliveries::apply_settings() {
    for (const auto& [site, waiting] : waiting_for_host_) {
        const auto delivery = waiting.lock();
        MTA_ASSERT(delivery);
        watch_expiry(*delivery);
        // With its new limit, which may leave room.
        hosts_with_room_.push_back(limit_of(*delivery, delivery->hosts[delivery->full_host]));
    }
    context_.request_tick();
}

void Deliveries::probe_now(queue::SiteHandle site) {
    if (parts_.sites[site].destination.health().is_probing()) {
        for (const auto& delivery : all_)
            if (delivery->site == site && delivery->is_probe())
                delivery->purpose = Purpose::ordered_probe;
    }
    const auto found = waiting_for_host_.find(site);
    const auto delivery = found == waiting_for_host_.end() ? nullptr : found->second.lock();
    if (!delivery) return;
    auto& host = delivery->waiting_at;
    host->closed_until = std::min(host->closed_until, context_.now());
    hosts_with_room_.push_back(host);
    context_.request_tick();
}

std::optional<Deliveries::Waiting> Deliveries::waiting_for_host(queue::SiteHandle site) const {
    const auto found = waiting_for_host_.find(site);
    if (found == waiting_for_host_.end()) return std::nullopt;
    const auto delivery = found->second.lock();
    MTA_ASSERT(delivery);
    const auto& host = *delivery->waiting_at;
    return Waiting{delivery->bundle, host.closed_until, host.name, host.connections,
                   HostLimits::connections_limit(host)};
}

std::string Deliveries::check() const {
    for (const auto& [site, waiting] : waiting_for_host_) {
        const auto delivery = waiting.lock();
        const auto& name = parts_.sites[site].plan.name;
        if (!delivery || !delivery->waiting_at || !parts_.sites[site].is_waiting_for_host)
            return name + " waits for a host, and no delivery of it does";
        const auto& host = *delivery->waiting_at;
        if (std::ranges::count(host.line, site) != 1)
            return name + " is not in the line of " + host.name;
        if (HostLimits::has_room(host, context_.now()) && hosts_with_room_.empty() &&
            host.closed_until != context_.now())
            return name + " waits for " + host.name + ", which has room";
        if (host.connections + host.called == 0 && host.closed_until < context_.now())
            return name + " waits for " + host.name + ", and nothing calls it";
    }
    return {};
}

// ---- Sources ----

bool Deliveries::suspend_source(ConnectionHandle connection, const DeliveryError& error) {
    const auto& target = pool_[connection].target();
    if (target.source.empty()) return false;
    const auto now = context_.now();
    const auto index = pool_[connection].site();
    auto& site = parts_.sites[index];
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
        context_.event(
            SourceSuspended{site.destination.name(), target.source, error, suspension.until});
    }
    pool_.close_idle_from(index, target.source);
    return true;
}

// Nothing is charged, and another delivery takes it from the line.
void Deliveries::put_back(const DeliveryPtr& delivery, How how) {
    parts_.lines.put_back(std::exchange(delivery->bundle, {}), place_of(*delivery));
    end(delivery, how);
}

Lines::Place Deliveries::place_of(const Delivery& delivery) {
    return delivery.was_offered ? Lines::Place::last : Lines::Place::first;
}

}  // namespace mta::outbound
