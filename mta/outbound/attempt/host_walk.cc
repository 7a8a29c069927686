// The way of a delivery from host to host and address to address.
#include <algorithm>
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/outbound/attempt/deliveries.h"

namespace mta::outbound {
namespace {

// What a site remembers of its addresses, for those who ask: more are not shown.
constexpr std::size_t addresses_shown_max = 64;

std::vector<std::uint16_t> ranks_of(const SitePlan& plan,
                                    const std::vector<conf::NextHopHost>& hosts) {
    std::vector<std::uint16_t> ranks;
    for (const auto& host : hosts) {
        if (plan.is_static || !plan.mx || !*plan.mx) {
            ranks.push_back(static_cast<std::uint16_t>(ranks.size()));
            continue;
        }
        const auto& records = (*plan.mx)->records;
        std::uint16_t best = UINT16_MAX;  // of a host's several mentions
        for (const auto& record : records)
            if (record.exchange == host.host) best = std::min(best, record.preference);
        ranks.push_back(best);
    }
    return ranks;
}

}  // namespace

void Deliveries::walk(const DeliveryPtr& delivery) {
    if (!std::exchange(delivery->is_planned, true)) {
        auto hosts = plan_hosts(*delivery);
        if (!hosts) {
            note_host_failure(*delivery, hosts.error());
            dns::keep_most_hopeful(delivery->host_error, std::move(hosts.error()));
            delivery->has_asked_all = true;
            give_up(delivery);
            return;
        }
        delivery->hosts = std::move(*hosts);
        delivery->next_host = 0;
        delivery->takes_unwell = delivery->is_probe();
        delivery->pass = delivery->purpose == Purpose::ordered_probe ? Pass::all : Pass::others;
        delivery->has_passed_over = false;
        const bool was_answered = has_been_answered(*delivery);
        if (!was_answered) delivery->asked.clear();
        delivery->asked_before = 0;
        // What was found on a former way is of its hosts.
        delivery->full.reset();
        delivery->full_host = 0;
        delivery->least_bad.reset();
        // The host of a kept connection has had its say.
        if (was_answered && !delivery->only_v4) {
            std::erase_if(delivery->hosts,
                          [&](const auto& host) { return host.host == delivery->host; });
        }
        delivery->ranks = ranks_of(parts_.sites[delivery->site].plan, delivery->hosts);
    }
    advance(delivery);
}

Result<std::vector<conf::NextHopHost>> Deliveries::plan_hosts(const Delivery& delivery) {
    const auto& plan = parts_.sites[delivery.site].plan;
    if (plan.is_static) return plan.hosts;
    const auto port = context_.settings().delivery.port;
    if (!plan.mx) return std::vector<conf::NextHopHost>{{plan.mx_domain, port}};
    MTA_TRY(names, dns::plan_hosts(plan.mx_domain, *plan.mx, context_.own_names(),
                                   parts_.scheduler.rng()));
    std::vector<conf::NextHopHost> hosts;
    for (auto& name : names) hosts.push_back({std::move(name), port});
    return hosts;
}

// To the next address, or the next host's addresses, or the end of the attempt.
void Deliveries::advance(const DeliveryPtr& delivery) {
    const auto& site = parts_.sites[delivery->site];
    const bool is_static = site.plan.is_static;
    // While the site is down nobody knocks but the probe, outside of its hours nobody at all.
    const auto may_knock = [&] {
        return !site.destination.is_closed() &&
               (delivery->is_probe() || site.destination.health().is_up());
    };
    const auto is_enough = [&] {
        if (delivery->sessions >= sessions_max) return true;
        return delivery->purpose != Purpose::ordered_probe &&
               delivery->addresses_tried >= context_.settings().delivery.addresses_per_attempt_max;
    };
    while (may_knock() && !is_enough()) {
        if (go_to_next_address(*delivery)) {
            if (context_.now() - delivery->taken_at >= rates_kept_for) give_rates_back(*delivery);
            if (is_pause_too_long(*delivery)) break;
            if (!take_place_again(delivery)) return;
            if (take_from_rates(delivery))
                open(delivery, delivery->addresses[delivery->next_address++]);
            return;
        }
        if (!has_next_host(*delivery)) {
            if (delivery->full && HostLimits::has_room(*delivery->full, context_.now())) {
                go_back_to_full_host(*delivery);
                continue;
            }
            // Who has been answered does not wait for a second answer, and the site with it.
            const bool is_answered = delivery->heard > Heard::broken;
            if (delivery->full && !is_answered) return wait_for_host(delivery);
            if (begin_last_pass(*delivery)) continue;
            if (turn_to_least_bad(*delivery)) continue;
            delivery->has_asked_all = !delivery->full && !delivery->least_bad;
            break;
        }
        const auto& host = delivery->hosts[delivery->next_host++];
        delivery->host = host.host;
        delivery->limit = limit_of(*delivery, host);
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

// From the site's source, over the families of addresses that it may be asked by.
bool Deliveries::can_reach(Delivery& delivery, const IpAddress& address) const {
    const auto& site = parts_.sites[delivery.site];
    if (delivery.only_v4 && address.is_v6()) return false;
    const std::string family = address.is_v6() ? "IPv6" : "IPv4";
    const auto excluded = address.is_v6() ? conf::IpFamilies::v4 : conf::IpFamilies::v6;
    const bool is_named = site.plan.is_static && IpAddress::parse(delivery.host);
    std::string why;
    if (!parts_.sources.can_reach(site.plan.source, address)) {
        why = "the source " + site.plan.source + " has no " + family +
              " address from which to reach " + address.to_string();
    } else if (!is_named && site.limits.ip == excluded) {  // else it is the operator's choice
        why = address.to_string() + " is not used: the configuration excludes " + family +
              " here (ip)";
    } else {
        return true;
    }
    dns::keep_most_hopeful(delivery.host_error,
                           {.status = {4, 4, 4}, .scope = Scope::host, .text = std::move(why)});
    return false;
}

bool Deliveries::is_passed_over(Delivery& delivery, const Endpoint& endpoint) const {
    if (std::ranges::find(delivery.asked, endpoint) != delivery.asked.end()) return true;
    const auto& site = parts_.sites[delivery.site];
    const bool is_retried = delivery.is_retried || site.destination.is_slowed();
    if (delivery.pass == Pass::all || !site.asked.is_passed_over(endpoint, is_retried))
        return false;
    delivery.has_passed_over = true;
    return true;
}

// To the host's next address that may be tried now. False: it has no more.
bool Deliveries::go_to_next_address(Delivery& delivery) {
    const auto now = context_.now();
    for (; delivery.next_address < delivery.addresses.size(); ++delivery.next_address) {
        const auto& endpoint = delivery.addresses[delivery.next_address];
        if (!can_reach(delivery, endpoint.address)) continue;
        if (is_passed_over(delivery, endpoint)) continue;
        if (!delivery.takes_unwell && !parts_.addresses.may_try(endpoint, now)) {
            const auto next_try = parts_.addresses.next_try(endpoint);
            if (!delivery.least_bad || next_try < delivery.least_bad->next_try)
                delivery.least_bad = {{delivery.host, endpoint.port}, endpoint, next_try};
            continue;
        }
        const std::uint32_t own_places = delivery.called_to == delivery.limit ? 1 : 0;
        if (HostLimits::has_room(*delivery.limit, now, own_places)) return true;
        if (!delivery.full) {
            delivery.full = delivery.limit;
            delivery.full_host = delivery.next_host - 1;
        }
        delivery.next_address = delivery.addresses.size();
    }
    return false;
}

// A host that has no room is waited for, and only those of the same preference are asked before;
// but one that has turned us away itself is passed over.
bool Deliveries::has_next_host(const Delivery& delivery) const {
    if (delivery.next_host >= delivery.hosts.size()) return false;
    if (!delivery.full || delivery.full->closed_until > context_.now()) return true;
    return delivery.ranks[delivery.next_host] == delivery.ranks[delivery.full_host];
}

void Deliveries::go_back_to_full_host(Delivery& delivery) {
    delivery.next_host = delivery.full_host;
    delivery.full.reset();
    delivery.addresses.clear();
    delivery.next_address = 0;
}

// None is left but those that former attempts have asked: a new round begins with this one.
bool Deliveries::begin_last_pass(Delivery& delivery) {
    if (!delivery.has_passed_over || delivery.pass == Pass::all) return false;
    delivery.pass = Pass::all;
    delivery.asked_before = delivery.asked.size();
    parts_.sites[delivery.site].asked.begin_round();
    delivery.next_host = 0;
    delivery.addresses.clear();
    delivery.next_address = 0;
    return true;
}

// No address was left that is well: the one whose probe is due first is asked before its time.
bool Deliveries::turn_to_least_bad(Delivery& delivery) {
    if (!delivery.least_bad || delivery.sessions > 0) return false;
    const auto least_bad = *std::exchange(delivery.least_bad, std::nullopt);
    delivery.hosts = {least_bad.host};
    delivery.ranks = {0};
    delivery.next_host = 1;
    delivery.full.reset();
    delivery.full_host = 0;
    delivery.host = least_bad.host.host;
    delivery.limit = limit_of(delivery, least_bad.host);
    delivery.addresses = {least_bad.endpoint};
    delivery.next_address = 0;
    delivery.takes_unwell = true;
    return true;
}

void Deliveries::note_addresses(Delivery& delivery, std::uint16_t port,
                                const dns::Lookup<dns::AddressAnswer>& answer) {
    const auto& settings = context_.settings().delivery;
    auto& site = parts_.sites[delivery.site];
    dns::AddressPolicy policy{.port = port,
                              .own_addresses = context_.own_addresses(),
                              .allow_networks = settings.allow_networks,
                              // How many are tried is counted where that is done.
                              .addresses_max = limits::dns_answer_records_max};
    // A static route goes where the operator says, be it to this machine.
    if (site.plan.is_static) {
        policy.own_addresses.clear();
        const auto all_v4 = Network::parse("0.0.0.0/0");
        const auto all_v6 = Network::parse("::/0");
        MTA_ASSERT(all_v4 && all_v6);
        policy.allow_networks = {*all_v4, *all_v6};
    }
    delivery.addresses.clear();
    delivery.next_address = 0;
    auto endpoints = dns::plan_addresses(delivery.host, answer, policy, parts_.scheduler.rng());
    if (!endpoints) {
        note_host_failure(delivery, endpoints.error());
        dns::keep_most_hopeful(delivery.host_error, std::move(endpoints.error()));
        if (answer && dns::is_this_machine(*answer, policy)) {
            delivery.hosts.resize(delivery.next_host);
            delivery.ranks.resize(delivery.next_host);
        }
        return;
    }
    delivery.addresses = std::move(*endpoints);
    put_in_order(delivery, delivery.addresses);
    std::erase_if(site.addresses, [&](const auto& known) { return known.host == delivery.host; });
    for (const auto& endpoint : delivery.addresses)
        if (site.addresses.size() < addresses_shown_max)
            site.addresses.push_back({delivery.host, endpoint});
    // A probe tries all that it may, and not the same ones each time.
    if (delivery.takes_unwell) {
        std::ranges::stable_sort(delivery.addresses, {}, [this](const Endpoint& endpoint) {
            return parts_.addresses.next_try(endpoint);
        });
    }
}

// They come with IPv6 and IPv4 in turns, beginning with IPv6.
void Deliveries::put_in_order(const Delivery& delivery, std::vector<Endpoint>& endpoints) const {
    const auto& site = parts_.sites[delivery.site];
    const bool is_v4_first =
        site.limits.ip == conf::IpFamilies::v4_first || context_.now() < site.prefers_v4_until;
    if (!is_v4_first) return;
    for (std::size_t i = 0; i + 1 < endpoints.size(); i += 2) {
        if (endpoints[i].address.is_v6() && !endpoints[i + 1].address.is_v6())
            std::swap(endpoints[i], endpoints[i + 1]);
    }
}

queue::Destination::Needs Deliveries::needs_of(const Delivery& delivery) {
    return {.message = !delivery.may_send, .connection = !delivery.may_connect};
}

// Until the rates allow the next connection somebody would have expired: that happens in line, and
// not in a delivery.
bool Deliveries::is_pause_too_long(const Delivery& delivery) {
    const auto allowed_at =
        parts_.sites[delivery.site].destination.next_allowed(needs_of(delivery));
    if (allowed_at <= context_.now()) return false;
    const auto& entry = parts_.scheduler.table().message(delivery.message);
    return std::ranges::any_of(delivery.recipients, [&](std::uint32_t number) {
        const auto& recipient = parts_.scheduler.table().recipient(entry, number);
        return parts_.scheduler.gives_up_at(entry, recipient).value_or(Instant::max()) <=
               allowed_at;
    });
}

// A second address, host or transaction is beyond what the delivery took when it began. False: it
// waits; advance() comes again when the site's rates allow it.
bool Deliveries::take_from_rates(const DeliveryPtr& delivery) {
    auto& destination = parts_.sites[delivery->site].destination;
    const auto needs = needs_of(*delivery);
    const auto allowed_at = destination.next_allowed(needs);
    if (allowed_at > context_.now()) {
        delivery->is_paused = true;
        end_trial(*delivery);
        set_unconnected(*delivery, false);
        give_place_up(*delivery);
        paused_.emplace(allowed_at, delivery);
        return false;
    }
    destination.take(context_.now(), needs);
    const auto taken = destination.taken();
    if (needs.message) delivery->taken.messages = taken.messages;
    if (needs.connection) delivery->taken.connections = taken.connections;
    if (parts_.sites[delivery->site].limits.has_rates()) context_.note_trouble();
    delivery->taken_at = context_.now();
    delivery->may_send = delivery->may_connect = true;
    return true;
}

void Deliveries::open(const DeliveryPtr& delivery, const Endpoint& endpoint) {
    ++delivery->addresses_tried;
    delivery->asked.push_back(endpoint);
    if (delivery->purpose == Purpose::ordered_probe)
        parts_.addresses.probe_now(endpoint, context_.now());
    delivery->may_connect = false;
    // The host before this one has ended the session.
    if (delivery->trial && delivery->was_offered) begin_trial_afresh(delivery);
    set_unconnected(*delivery, false);
    const auto& host = delivery->host;
    auto& site = parts_.sites[delivery->site];
    const bool is_address = IpAddress::parse(host) || dns::address_of_literal(host);
    Connection::Target target{
        .host = is_address ? std::string{} : host,
        .endpoint = endpoint,
        .without = site.limits.without | keywords_.without(host, context_.now()),
        .is_unwell = !delivery->is_probe() && !parts_.addresses.is_well(endpoint)};
    const bool is_v6 = endpoint.address.is_v6();
    const auto& members = parts_.sources.members(site.plan.source);
    if (const auto* source = site.sources.next(members, is_v6, context_.now())) {
        target.source = source->name;
        target.source_address = is_v6 ? source->v6 : source->v4;
        target.ehlo_name = source->ehlo;
    }
    if (parts_.connections.tracing.is_watched()) {
        target.watchers = parts_.connections.tracing.match(*delivery->content, delivery->recipients,
                                                           context_.now());
        target.message_id = delivery->id;
    }
    delivery->connection = pool_.open(delivery->site, std::move(target), delivery->limit);
    work_of(delivery->connection).opening = delivery;
    give_place_up(*delivery);
    // There is room for more, or the next one may go and look.
    if (HostLimits::has_room(*delivery->limit, context_.now())) site.knows_full_host = false;
    parts_.sites.refresh(delivery->site);
}

}  // namespace mta::outbound
