#include "mta/outbound/destination/site_table.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "dns/mx_plan.h"
#include "mta/base/earliest.h"

namespace mta::outbound {
namespace {

queue::DestinationPolicy policy_of(bool is_static, const SiteLimits& limits) {
    return {.concurrency = concurrency_policy(is_static, limits.connections_max),
            .probes = is_static ? queue::static_route_probes : queue::mx_probes,
            .message_rate = limits.message_rate,
            .connection_rate = limits.connection_rate};
}

}  // namespace

SiteTable::SiteTable(Context& context)
    : context_(context),
      trial_places_(context),
      turns_(context, trial_places_),
      memory_(sites_),
      timers_(context_.now()) {}

queue::SiteHandle SiteTable::find_or_add(SitePlan plan) {
    const auto known = by_key_.find(plan.key);
    if (known != by_key_.end()) {
        const auto handle = known->second;
        const auto rule = first_rule(sites_[handle].rule, rule_for(plan));
        sites_[handle].plan = std::move(plan);
        if (rule != sites_[handle].rule) {
            set_rule(handle, rule);
            refresh(handle);
        }
        return handle;
    }
    const auto key = plan.key;
    const auto rule = rule_for(plan);
    const auto policy = policy_of(plan.is_static(), site_limits(context_.settings(), rule));
    const auto handle = sites_.add(Site(std::move(plan), policy));
    set_rule(handle, rule);
    memory_.recall(sites_[handle], context_.now());
    sites_[handle].seat = turns_.add(handle);
    by_key_.emplace(key, handle);
    sites_[handle].hours.look(context_.now(), context_.utc_offset_at());
    if (!sites_[handle].hours.is_open()) sites_[handle].destination.close();
    return handle;
}

void SiteTable::refresh(queue::SiteHandle handle) {
    auto& site = sites_[handle];
    const auto now = context_.now();
    follow_hours(handle);
    if (site.is_unused()) {
        const auto linger = site.destination.health().is_up() ? linger_up : linger_down;
        // Nor is it forgotten what its rates and its sources have to remember.
        timers_.set(handle, std::max({now + linger, site.destination.rates().forgotten_at(),
                                      site.sources.forgotten_at()}));
        return;
    }
    Earliest wakeup(site.hours.changes_at());
    using Wait = queue::Destination::Wait;
    switch (site.wait(now)) {
        case Wait::turn:
            if (!context_.is_draining()) turns_.enter(site.seat, site.standing(now));
            break;
        case Wait::down: wakeup.consider(site.destination.health().next_probe()); break;
        case Wait::slowed: wakeup.consider(site.destination.next_start()); break;
        case Wait::message_rate:
        case Wait::connection_rate:
            wakeup.consider(site.destination.rates().next_allowed(site.needs()));
            break;
        case Wait::closed:
        case Wait::limit:
        case Wait::mailbox:
        case Wait::empty: break;
    }
    if (wakeup.at()) {
        timers_.set(handle, *wakeup.at());
    } else {
        timers_.clear(handle);
    }
}

void SiteTable::follow_hours(queue::SiteHandle handle) {
    auto& site = sites_[handle];
    if (!site.hours.are_limited()) return;
    site.hours.look(context_.now(), context_.utc_offset_at());
    if (site.hours.is_open() != site.destination.is_closed()) return;
    if (site.hours.is_open()) {
        site.destination.open(context_.now());
    } else {
        site.destination.close();
        closed_.push_back(handle);
        context_.request_tick();
    }
}

void SiteTable::wake(queue::SiteHandle handle, bool has_mail) {
    auto& site = sites_[handle];
    if (has_mail) site.hours.order(context_.now());
    site.destination.probe_now(context_.now());
    refresh(handle);
}

void SiteTable::end_wake_if_done(queue::SiteHandle handle) {
    auto& site = sites_[handle];
    if (!site.hours.is_ordered()) return;
    const auto& destination = site.destination;
    const bool is_served = destination.waiting() == 0 && destination.delivering() == 0;
    if (is_served || !destination.health().is_up()) site.hours.end_order();
}

// ---- Trials ----

std::optional<TrialPlace> SiteTable::begin_trial(queue::SiteHandle handle) {
    return trial_places_.begin(sites_[handle].standing(context_.now()));
}

std::optional<TrialPlaces::Count> SiteTable::trials_before(queue::SiteHandle handle) const {
    return trial_places_.before(sites_[handle].standing(context_.now()));
}

void SiteTable::note_answer(queue::SiteHandle handle) {
    auto& site = sites_[handle];
    const bool was_answering = site.standing(context_.now()) == Standing::answering;
    site.last_answer = context_.now();
    const bool is_more_allowed = site.silent.on_answer();
    if (!was_answering) context_.note_trouble();
    if (!was_answering || is_more_allowed) refresh(handle);
}

// ---- Time ----

void SiteTable::tick() {
    for (const auto handle : timers_.advance(context_.now())) {
        auto& site = sites_[handle];
        if (site.is_unused() && !site.seat.ring) {
            memory_.keep(site, context_.now());
            by_key_.erase(site.plan.key);
            turns_.remove(site.seat);
            sites_.remove(handle);
        } else {
            refresh(handle);
        }
    }
}

void SiteTable::apply_settings() {
    for (const auto handle : sites_.handles()) {
        if (!is_used(handle)) continue;
        set_rule(handle, rule_for(sites_[handle].plan));
        sites_[handle].hours.look_anew(context_.now(), context_.utc_offset_at());
        refresh(handle);
    }
}

void SiteTable::note_domain(queue::SiteHandle handle, const std::string& domain) {
    auto& site = sites_[handle];
    if (site.plan.is_static()) return;
    const auto rule = first_rule(site.rule, find_site_rule(context_.settings(), domain));
    if (rule == site.rule) return;
    set_rule(handle, rule);
    refresh(handle);
}

std::string SiteTable::check(bool are_connections_left) const {
    using Wait = queue::Destination::Wait;
    for (const auto handle : sites_.handles()) {
        if (!is_used(handle)) continue;
        const auto& site = sites_[handle];
        const auto& health = site.destination.health();
        const auto wait = site.wait(context_.now());
        if (wait == Wait::down && !health.is_probing() && !timers_.is_set(handle))
            return site.plan.name + " is down and nobody probes it";
        if (health.is_probing() && site.destination.delivering() == 0)
            return site.plan.name + " has lost its probe";
        if (wait == Wait::closed && !timers_.is_set(handle))
            return site.plan.name + " waits for its hours and nobody wakes it";
        if (wait == Wait::slowed && !timers_.is_set(handle))
            return site.plan.name + " waits for the end of a pause and nobody wakes it";
        const bool waits_for_rate = wait == Wait::message_rate || wait == Wait::connection_rate;
        if (waits_for_rate && !timers_.is_set(handle))
            return site.plan.name + " waits for its rate and nobody wakes it";
        if (wait == Wait::limit && site.destination.busy() == 0)
            return site.plan.name + " waits for connections that it does not have";
        if (wait == Wait::mailbox && site.destination.delivering() == 0)
            return site.plan.name + " waits for deliveries to mailboxes and has none";
        const bool waits_for_closing = site.connections + site.unconnected > 0;
        // A probe that has just become due is the wheel's: the next tick brings it.
        const bool waits_for_tick = timers_.is_set(handle);
        const bool waits_for_trials = trials_before(handle).has_value();
        if (wait == Wait::turn && are_connections_left && !waits_for_closing && !waits_for_tick &&
            !waits_for_trials)
            return site.plan.name + " could start, and does not";
    }
    return {};
}

SiteRule SiteTable::rule_for(const SitePlan& plan) const {
    const auto& settings = context_.settings();
    const auto rule_of = [&settings](const std::string& name) {
        return find_site_rule(settings, name);
    };
    return std::visit(EachNextHop{
                          [&](const StaticHosts& next_hop) {
                              SiteRule rule;
                              for (const auto& host : next_hop.hosts)
                                  rule = first_rule(rule, rule_of(host.host));
                              return rule;
                          },
                          [&](const MxHosts& next_hop) {
                              SiteRule rule;
                              if (*next_hop.answer) {
                                  for (const auto& record : (*next_hop.answer)->records)
                                      rule = first_rule(rule, rule_of(record.exchange));
                              }
                              return first_rule(rule, rule_of(next_hop.domain));
                          },
                          [&](const LiteralHost& next_hop) {
                              const auto address = dns::address_of_literal(next_hop.literal);
                              return rule_of(address ? address->to_string() : next_hop.literal);
                          },
                      },
                      plan.next_hop);
}

void SiteTable::set_rule(queue::SiteHandle handle, SiteRule rule) {
    auto& site = sites_[handle];
    site.rule = rule;
    site.limits = site_limits(context_.settings(), rule);
    site.destination.set_policy(policy_of(site.plan.is_static(), site.limits));
}

}  // namespace mta::outbound
