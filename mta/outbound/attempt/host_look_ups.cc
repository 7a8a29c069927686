#include "mta/outbound/attempt/host_look_ups.h"

#include <algorithm>
#include <variant>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"
#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

// A site shows administrators no more addresses than this.
constexpr std::size_t addresses_shown_max = 64;

dns::Freshness freshness_for(const Attempt& attempt) {
    switch (attempt.purpose) {
        case Purpose::ordered_probe: return dns::Freshness::ordered;
        case Purpose::probe: return dns::Freshness::retry;
        case Purpose::mail: break;
    }
    return attempt.is_retry ? dns::Freshness::retry : dns::Freshness::cached;
}

}  // namespace

std::optional<HostLookUps::Found> HostLookUps::literal(queue::SiteHandle site,
                                                       const conf::NextHopHost& host) {
    const auto address = parts_.sites[site].plan.is_static() ? IpAddress::parse(host.host)
                                                             : dns::address_of_literal(host.host);
    if (!address) return std::nullopt;
    return found_of(site, host, dns::AddressAnswer{{*address}, Millis{0}});
}

void HostLookUps::begin(const Attempt& attempt, const conf::NextHopHost& host, Pending& answer,
                        std::function<void(const Found*)> on_found) {
    const auto kind =
        parts_.sites[attempt.site].plan.is_static() ? dns::HostOf::route : dns::HostOf::mx;
    check_at(context_.now() + long_look_up);
    parts_.resolver.look_up_addresses(
        host.host, kind, freshness_for(attempt),
        answer.guard([this, site = attempt.site, host,
                      use = std::move(on_found)](const dns::Lookup<dns::AddressAnswer>& looked_up) {
            context_.request_tick();
            if (!looked_up && looked_up.error().kind == dns::LookupError::Kind::overloaded)
                return use(nullptr);
            const auto found = found_of(site, host, looked_up);
            use(&found);
        }));
}

HostLookUps::Found HostLookUps::found_of(queue::SiteHandle handle, const conf::NextHopHost& host,
                                         const dns::Lookup<dns::AddressAnswer>& answer) {
    const auto& settings = context_.settings().delivery;
    auto& site = parts_.sites[handle];
    dns::AddressPolicy policy{.port = host.port,
                              .own_addresses = context_.own_addresses(),
                              .allow_networks = settings.allow_networks,
                              // How many are tried is counted where that is done.
                              .addresses_max = limits::dns_answer_records_max};
    // A static route goes where the administrator says, be it to this machine.
    if (site.plan.is_static()) {
        policy.own_addresses.clear();
        const auto all_v4 = Network::parse("0.0.0.0/0");
        const auto all_v6 = Network::parse("::/0");
        MTA_ASSERT(all_v4 && all_v6);
        policy.allow_networks = {*all_v4, *all_v6};
    }
    Found found{dns::plan_addresses(host.host, answer, policy, parts_.scheduler.rng()), false};
    if (!found.addresses) {
        found.is_this_machine = answer && dns::is_this_machine(*answer, policy);
        return found;
    }
    put_in_order(site, *found.addresses);
    std::erase_if(site.addresses, [&](const auto& known) { return known.host == host.host; });
    for (const auto& endpoint : *found.addresses)
        if (site.addresses.size() < addresses_shown_max)
            site.addresses.push_back({host.host, endpoint});
    return found;
}

// They come with IPv6 and IPv4 in turns, beginning with IPv6.
void HostLookUps::put_in_order(const Site& site, std::vector<Endpoint>& endpoints) const {
    const bool is_v4_first =
        site.limits.ip == conf::IpFamilies::v4_first || context_.now() < site.prefers_v4_until;
    if (!is_v4_first) return;
    for (std::size_t i = 0; i + 1 < endpoints.size(); i += 2) {
        if (endpoints[i].address.is_v6() && !endpoints[i + 1].address.is_v6())
            std::swap(endpoints[i], endpoints[i + 1]);
    }
}

bool HostLookUps::has_expired(const Attempt& attempt) const {
    const auto& entry = parts_.scheduler.table().message(attempt.message);
    return std::ranges::any_of(attempt.recipients, [&](std::uint32_t number) {
        const auto& recipient = parts_.scheduler.table().recipient(entry, number);
        const auto end = parts_.scheduler.gives_up_at(entry, recipient);
        return end && *end <= context_.now();
    });
}

void HostLookUps::check_at(Instant when) {
    next_check_ = std::min(next_check_.value_or(when), when);
}

HostLookUps::Overdue HostLookUps::take_overdue() {
    const auto now = context_.now();
    Overdue overdue;
    if (!next_check_ || now < *next_check_) return overdue;
    next_check_.reset();
    for (const auto handle : parts_.attempts.all()) {
        const auto& attempt = parts_.attempts[handle];
        const auto* const resolving = std::get_if<attempt_state::Resolving>(&attempt.state);
        if (resolving == nullptr) continue;
        if (has_expired(attempt)) {
            overdue.expired.push_back(handle);
        } else if (!resolving->place) {
            check_at(now + check_interval);
        } else if (now - resolving->since >= long_look_up) {
            overdue.long_ones.push_back(handle);
            check_at(now + check_interval);
        } else {
            check_at(now + long_look_up);
        }
    }
    return overdue;
}

}  // namespace mta::outbound
