// The way of a delivery from host to host and address to address.
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"
#include "mta/outbound/deliveries.h"

namespace mta::outbound {

void Deliveries::walk(const DeliveryPtr& delivery) {
    if (!std::exchange(delivery->is_planned, true)) {
        auto hosts = plan_hosts(*delivery);
        if (!hosts) {
            note_host_failure(*delivery, hosts.error());
            dns::keep_most_hopeful(delivery->host_error, std::move(hosts.error()));
            give_up(delivery);
            return;
        }
        delivery->hosts = std::move(*hosts);
        delivery->next_host = 0;
        // The host of a kept connection has had its say.
        if (delivery->sessions > 0) {
            std::erase_if(delivery->hosts,
                          [&](const auto& host) { return host.host == delivery->host; });
        }
    }
    advance(delivery);
}

Result<std::vector<conf::NextHopHost>> Deliveries::plan_hosts(const Delivery& delivery) {
    const auto& plan = parts_.sites[delivery.site].plan;
    if (plan.is_static) return plan.hosts;
    const auto port = core_.settings->delivery.port;
    if (!plan.mx) return std::vector<conf::NextHopHost>{{plan.mx_domain, port}};
    MTA_TRY(names, dns::plan_hosts(plan.mx_domain, *plan.mx, {core_.settings->hostname},
                                   core_.scheduler.rng()));
    std::vector<conf::NextHopHost> hosts;
    for (auto& name : names) hosts.push_back({std::move(name), port});
    return hosts;
}

// To the next address, or the next host's addresses, or the end of the attempt.
void Deliveries::advance(const DeliveryPtr& delivery) {
    const auto addresses_max = core_.settings->delivery.addresses_per_attempt_max;
    const auto& site = parts_.sites[delivery->site];
    const bool is_static = site.plan.is_static;
    // While the site is down nobody knocks but the probe.
    const auto may_knock = [&] { return delivery->is_probe || site.destination.health().is_up(); };
    while (may_knock() && delivery->sessions < sessions_max &&
           delivery->addresses_tried < addresses_max) {
        if (delivery->next_address < delivery->addresses.size()) {
            if (take_from_rates(delivery))
                open(delivery, delivery->addresses[delivery->next_address++]);
            return;
        }
        if (delivery->next_host == delivery->hosts.size()) break;
        const auto& host = delivery->hosts[delivery->next_host++];
        delivery->host = host.host;
        const auto literal =
            is_static ? IpAddress::parse(host.host) : dns::address_of_literal(host.host);
        if (!literal) {
            look_up(delivery, host);
            return;
        }
        note_addresses(*delivery, host.port, dns::AddressAnswer{{*literal}, Millis{0}});
    }
    give_up(delivery);
}

void Deliveries::look_up(const DeliveryPtr& delivery, const conf::NextHopHost& host) {
    core_.ports.resolver.look_up_addresses(
        host.host, [this, waiting = std::weak_ptr(delivery), port = host.port,
                    alive = std::weak_ptr(core_.is_alive)](const auto& answer) {
            const auto asking = waiting.lock();
            if (alive.expired() || !asking || asking->bundle == queue::nothing) return;
            note_addresses(*asking, port, answer);
            advance(asking);
            core_.request_tick();
        });
}

void Deliveries::note_addresses(Delivery& delivery, std::uint16_t port,
                                const dns::Lookup<dns::AddressAnswer>& answer) {
    const auto& settings = core_.settings->delivery;
    dns::AddressPolicy policy{.port = port,
                              .own_addresses = core_.own_addresses,
                              .allow_networks = settings.allow_networks,
                              .addresses_max = settings.addresses_per_attempt_max};
    // A static route goes where the operator says, be it to this machine.
    if (parts_.sites[delivery.site].plan.is_static) {
        policy.own_addresses.clear();
        const auto all_v4 = Network::parse("0.0.0.0/0");
        const auto all_v6 = Network::parse("::/0");
        MTA_ASSERT(all_v4 && all_v6);
        policy.allow_networks = {*all_v4, *all_v6};
    }
    delivery.addresses.clear();
    delivery.next_address = 0;
    auto endpoints = dns::plan_addresses(delivery.host, answer, policy, core_.scheduler.rng());
    if (endpoints) {
        delivery.addresses = std::move(*endpoints);
    } else {
        note_host_failure(delivery, endpoints.error());
        dns::keep_most_hopeful(delivery.host_error, std::move(endpoints.error()));
    }
}

// A second address, host or transaction is beyond what the delivery took when it began. False: it
// waits; advance() comes again when the site's rates allow it.
bool Deliveries::take_from_rates(const DeliveryPtr& delivery) {
    auto& destination = parts_.sites[delivery->site].destination;
    const queue::Destination::Needs needs{.message = !delivery->may_send,
                                          .connection = !delivery->may_connect};
    const auto allowed_at = destination.next_allowed(needs);
    if (allowed_at > core_.now()) {
        paused_.emplace(allowed_at, delivery);
        return false;
    }
    destination.take(core_.now(), needs);
    delivery->may_send = delivery->may_connect = true;
    return true;
}

void Deliveries::open(const DeliveryPtr& delivery, const Endpoint& endpoint) {
    ++delivery->addresses_tried;
    delivery->may_connect = false;
    set_unconnected(*delivery, false);
    const auto& host = delivery->host;
    const bool is_address = IpAddress::parse(host) || dns::address_of_literal(host);
    const auto& without = parts_.sites[delivery->site].hosts_without_chunking;
    Connection::Target target{.host = is_address ? std::string{} : host,
                              .endpoint = endpoint,
                              .use_chunking = !without.contains(host)};
    if (core_.tracing.is_watched()) {
        target.watchers =
            core_.tracing.match(*delivery->content, delivery->recipients, core_.now());
        target.message_id = delivery->id;
    }
    delivery->connection = pool_.open(delivery->site, std::move(target));
    work_of(delivery->connection).opening = delivery;
}

}  // namespace mta::outbound
