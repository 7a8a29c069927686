#include "mta/outbound/site.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"
#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

std::string join(const std::vector<std::string>& names) {
    std::string joined;
    for (const auto& name : names) joined += (joined.empty() ? "" : ",") + name;
    return joined;
}

// "mx1.them.example/mx2.them.example,backup.them.example": equals have a slash between them, whom
// one turns to after others a comma before it.
std::string names_in_order(const std::vector<dns::MxRecord>& records) {
    std::map<std::string_view, std::uint16_t> best;  // of a host's several mentions
    for (const auto& record : records) {
        const auto [known, is_new] = best.emplace(record.exchange, record.preference);
        if (!is_new) known->second = std::min(known->second, record.preference);
    }
    std::set<std::pair<std::uint16_t, std::string_view>> ordered;
    for (const auto& [host, preference] : best) ordered.emplace(preference, host);
    std::string joined;
    std::optional<std::uint16_t> former;
    for (const auto& [preference, host] : ordered) {
        if (former) joined += *former == preference ? '/' : ',';
        joined.append(host);
        former = preference;
    }
    return joined;
}

std::string name_of(const conf::NextHopHost& host) {
    const bool is_v6 = host.host.contains(':');
    return (is_v6 ? "[" + host.host + "]" : host.host) + ":" + std::to_string(host.port);
}

queue::DestinationPolicy policy_of(bool is_static, const SiteLimits& limits) {
    return {.concurrency = concurrency_policy(is_static, limits.connections_max),
            .probes = is_static ? queue::static_route_probes : queue::mx_probes,
            .message_rate = limits.message_rate,
            .connection_rate = limits.connection_rate};
}

SitePlan plan_for(const std::string& kind, const std::string& hosts, std::string_view source) {
    SitePlan plan;
    plan.key = site_key({.next_hop = kind + hosts, .source = source});
    plan.name = hosts;
    if (!source.empty()) plan.name.append(" from ").append(source);
    plan.source = source;
    return plan;
}

}  // namespace

queue::ConcurrencyPolicy concurrency_policy(bool is_static, std::uint32_t most) {
    constexpr std::uint32_t start_static = 5;
    constexpr std::uint32_t start_mx = 2;
    return {.start = is_static ? start_static : start_mx, .max = most};
}

std::string site_key(const SiteIdentity& identity) {
    // None of the parts has a line end in it: no two identities make the same key.
    std::string key(identity.next_hop);
    key.append("\nfrom ").append(identity.source);
    key.append("\ntls ").append(identity.tls_policy);
    if (!identity.hours.empty()) key.append("\nat ").append(identity.hours);
    return key;
}

SitePlan plan_for_route(const conf::Route& route, std::string_view source) {
    std::vector<std::string> names;
    for (const auto& host : route.hosts) names.push_back(name_of(host));
    std::string hours;
    for (const auto& window : route.deliver_between)
        hours += (hours.empty() ? "" : ",") + to_string(window);
    auto plan = plan_for("route ", join(names), source);
    plan.key = site_key({.next_hop = "route " + join(names), .source = source, .hours = hours});
    if (!hours.empty()) plan.name.append(" at ").append(hours);
    plan.is_static = true;
    plan.hosts = route.hosts;
    plan.deliver_between = route.deliver_between;
    return plan;
}

SitePlan plan_for_mx(const std::string& domain, MxLookup answer, std::string_view source) {
    auto plan = plan_for("mx ", *answer ? names_in_order((*answer)->records) : domain, source);
    plan.mx_domain = domain;
    plan.mx = std::move(answer);
    return plan;
}

SitePlan plan_for_literal(const std::string& domain, std::string_view source) {
    auto plan = plan_for("literal ", domain, source);
    plan.mx_domain = domain;
    return plan;
}

std::uint32_t SiteTable::find_or_add(SitePlan plan) {
    const auto known = by_key_.find(plan.key);
    if (known != by_key_.end()) {
        const auto index = known->second;
        const auto rule = first_rule(sites_[index].rule, rule_for(plan));
        sites_[index].plan = std::move(plan);
        if (rule != sites_[index].rule) {
            set_rule(index, rule);
            refresh(index);
        }
        return index;
    }
    const auto key = plan.key;
    const auto rule = rule_for(plan);
    const auto policy = policy_of(plan.is_static, site_limits(*core_.settings, rule));
    const auto index = sites_.add(Site(std::move(plan), policy));
    set_rule(index, rule);
    if (const auto hint = hints_.extract(key); !hint.empty())
        sites_[index].destination.restore(hint.mapped(), core_.now());
    by_key_.emplace(key, index);
    sites_[index].hours.look(core_.now(), core_.hooks.utc_offset_at);
    if (!sites_[index].hours.is_open()) sites_[index].destination.close();
    return index;
}

void SiteTable::refresh(std::uint32_t index) {
    auto& site = sites_[index];
    const auto now = core_.now();
    follow_hours(index);
    if (site.is_unused()) {
        const auto linger = site.destination.health().is_up() ? linger_up : linger_down;
        // Nor is it forgotten what its rates and its sources have to remember.
        wheel_.set(index, std::max({now + linger, site.destination.rates_forgotten_at(),
                                    site.sources.forgotten_at()}));
        return;
    }
    auto wakeup = site.hours.changes_at();
    const auto consider = [&wakeup](std::optional<Instant> at) {
        if (at && (!wakeup || *at < *wakeup)) wakeup = at;
    };
    using Wait = queue::Destination::Wait;
    switch (site.wait(now)) {
        case Wait::turn:
            if (core_.is_draining || std::exchange(site.is_in_ring, true)) break;
            ring_.push_back(index);
            core_.request_tick();
            break;
        case Wait::down: consider(site.destination.health().next_probe()); break;
        case Wait::slowed: consider(site.destination.next_start()); break;
        case Wait::message_rate:
        case Wait::connection_rate: consider(site.destination.next_allowed(site.needs())); break;
        case Wait::closed:
        case Wait::limit:
        case Wait::empty: break;
    }
    if (wakeup) {
        wheel_.set(index, *wakeup);
    } else {
        wheel_.clear(index);
    }
}

void SiteTable::follow_hours(std::uint32_t index) {
    auto& site = sites_[index];
    if (!site.hours.are_limited()) return;
    site.hours.look(core_.now(), core_.hooks.utc_offset_at);
    if (site.hours.is_open() != site.destination.is_closed()) return;
    if (site.hours.is_open()) {
        site.destination.open(core_.now());
    } else {
        site.destination.close();
        closed_.push_back(index);
        core_.request_tick();
    }
}

void SiteTable::wake(std::uint32_t index, bool has_mail) {
    auto& site = sites_[index];
    if (has_mail) site.hours.order(core_.now());
    site.destination.probe_now(core_.now());
    refresh(index);
}

void SiteTable::end_wake_if_done(std::uint32_t index) {
    auto& site = sites_[index];
    if (!site.hours.is_ordered()) return;
    const auto& destination = site.destination;
    const bool is_served = destination.waiting() == 0 && destination.delivering() == 0;
    if (is_served || !destination.health().is_up()) site.hours.end_order();
}

void SiteTable::pass() {
    sites_[ring_.front()].is_in_ring = false;
    ring_.pop_front();
}

void SiteTable::tick() {
    fired_.clear();
    wheel_.advance(core_.now(), fired_);
    for (const auto index : fired_) {
        if (sites_[index].is_unused() && !sites_[index].is_in_ring) {
            by_key_.erase(sites_[index].plan.key);
            sites_.remove(index);
        } else {
            refresh(index);
        }
    }
}

void SiteTable::apply_settings() {
    for (std::uint32_t i = 0; i < sites_.index_end(); ++i) {
        if (!is_used(i)) continue;
        set_rule(i, rule_for(sites_[i].plan));
        sites_[i].hours.look_anew(core_.now(), core_.hooks.utc_offset_at);
        refresh(i);
    }
}

void SiteTable::note_domain(std::uint32_t index, const std::string& domain) {
    auto& site = sites_[index];
    if (site.plan.is_static) return;
    const auto rule = first_rule(site.rule, find_site_rule(*core_.settings, domain));
    if (rule == site.rule) return;
    set_rule(index, rule);
    refresh(index);
}

void SiteTable::restore(Hints hints) {
    for (auto& hint : hints)
        if (hint.kind == Hint::Kind::site)
            hints_.insert_or_assign(hint.key, std::move(hint.trouble));
}

void SiteTable::add_hints(Hints& hints) const {
    for (std::uint32_t i = 0; i < sites_.index_end() && hints.size() < limits::hints_max; ++i) {
        if (!is_used(i)) continue;
        if (auto trouble = sites_[i].destination.health().trouble())
            hints.push_back({Hint::Kind::site, sites_[i].plan.key, std::move(*trouble)});
    }
    // Mail for these has not been seen yet: old mail is still being loaded.
    for (const auto& [key, trouble] : hints_) {
        if (hints.size() >= limits::hints_max) return;
        if (core_.now() - trouble.next_probe < linger_down)
            hints.push_back({Hint::Kind::site, key, trouble});
    }
}

std::string SiteTable::check(bool are_connections_left) const {
    using Wait = queue::Destination::Wait;
    for (std::uint32_t i = 0; i < sites_.index_end(); ++i) {
        if (!is_used(i)) continue;
        const auto& site = sites_[i];
        const auto& health = site.destination.health();
        const auto wait = site.wait(core_.now());
        if (wait == Wait::down && !health.is_probing() && !wheel_.is_set(i))
            return site.plan.name + " is down and nobody probes it";
        if (health.is_probing() && site.destination.delivering() == 0)
            return site.plan.name + " has lost its probe";
        if (wait == Wait::closed && !wheel_.is_set(i))
            return site.plan.name + " waits for its hours and nobody wakes it";
        if (wait == Wait::slowed && !wheel_.is_set(i))
            return site.plan.name + " waits for the end of a pause and nobody wakes it";
        const bool waits_for_rate = wait == Wait::message_rate || wait == Wait::connection_rate;
        if (waits_for_rate && !wheel_.is_set(i))
            return site.plan.name + " waits for its rate and nobody wakes it";
        if (wait == Wait::limit && site.destination.busy() == 0)
            return site.plan.name + " waits for connections that it does not have";
        const bool waits_for_closing = site.connections + site.unconnected > 0;
        // A probe that has just become due is the wheel's: the next tick brings it.
        const bool waits_for_tick = wheel_.is_set(i);
        if (wait == Wait::turn && are_connections_left && !waits_for_closing && !waits_for_tick)
            return site.plan.name + " could start, and does not";
    }
    return {};
}

SiteRule SiteTable::rule_for(const SitePlan& plan) const {
    const auto& settings = *core_.settings;
    SiteRule rule;
    for (const auto& host : plan.hosts)
        rule = first_rule(rule, find_site_rule(settings, host.host));
    if (plan.is_static) return rule;
    if (plan.mx && *plan.mx) {
        for (const auto& record : (*plan.mx)->records)
            rule = first_rule(rule, find_site_rule(settings, record.exchange));
    }
    const auto literal = dns::address_of_literal(plan.mx_domain);
    return first_rule(rule,
                      find_site_rule(settings, literal ? literal->to_string() : plan.mx_domain));
}

void SiteTable::set_rule(std::uint32_t index, SiteRule rule) {
    auto& site = sites_[index];
    site.rule = rule;
    site.limits = site_limits(*core_.settings, rule);
    site.destination.set_policy(policy_of(site.plan.is_static, site.limits));
}

}  // namespace mta::outbound
