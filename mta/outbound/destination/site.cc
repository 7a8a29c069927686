#include "mta/outbound/destination/site.h"

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

SiteTable::SiteTable(Context& context)
    : context_(context),
      answered_(limits::hosts_remembered_max, [](Instant) { return true; }),
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
    const auto policy = policy_of(plan.is_static, site_limits(context_.settings(), rule));
    const auto handle = sites_.add(Site(std::move(plan), policy));
    set_rule(handle, rule);
    if (const auto hint = hints_.extract(key); !hint.empty())
        restore_site(sites_[handle], hint.mapped());
    if (const auto* answered = answered_.find(key)) sites_[handle].last_answer = *answered;
    sites_[handle].in_ring = resting_.insert(resting_.end(), handle);
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
        timers_.set(handle, std::max({now + linger, site.destination.rates_forgotten_at(),
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
            if (!context_.is_draining()) enter_ring(handle, site.standing(now));
            break;
        case Wait::down: consider(site.destination.health().next_probe()); break;
        case Wait::slowed: consider(site.destination.next_start()); break;
        case Wait::message_rate:
        case Wait::connection_rate: consider(site.destination.next_allowed(site.needs())); break;
        case Wait::closed:
        case Wait::limit:
        case Wait::mailbox:
        case Wait::empty: break;
    }
    if (wakeup) {
        timers_.set(handle, *wakeup);
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

// ---- Turns ----

void SiteTable::enter_ring(queue::SiteHandle handle, Standing standing) {
    auto& site = sites_[handle];
    if (site.ring == standing) return;
    auto& former = site.ring ? ring_of(*site.ring) : resting_;
    auto& ring = ring_of(standing);
    ring.splice(ring.end(), former, site.in_ring);
    site.ring = standing;
    context_.request_tick();
}

queue::SiteHandle SiteTable::front() const {
    constexpr auto every = 4u;
    const bool is_trials_turn = turns_ % every == every - 1;
    const bool is_silent_turn = turns_ / every % every == every - 1;
    std::array order = {Standing::answering, Standing::untried, Standing::silent};
    if (is_silent_turn) std::swap(order[1], order[2]);
    if (is_trials_turn) std::ranges::rotate(order, order.begin() + 1);
    for (const auto standing : order) {
        const auto& ring = ring_of(standing);
        if (!ring.empty() && may_begin(standing)) return ring.front();
    }
    return {};
}

std::size_t SiteTable::turns_waiting() const {
    const auto left = [](std::uint32_t most, std::uint32_t taken) -> std::size_t {
        return most - std::min(most, taken);
    };
    const auto silent = std::min(ring_of(Standing::silent).size(),
                                 left(silent_trials_max(), trials_in(TrialPlace::silent)));
    const auto to_begin =
        std::min({ring_of(Standing::untried).size() + silent, left(trials_max(), trials()),
                  left(unanswered_max(), unanswered())});
    return ring_of(Standing::answering).size() + to_begin;
}

void SiteTable::pass(queue::SiteHandle handle) {
    auto& site = sites_[handle];
    MTA_ASSERT(site.ring);
    resting_.splice(resting_.end(), ring_of(*site.ring), site.in_ring);
    site.ring.reset();
    ++turns_;
}

std::uint32_t SiteTable::trials_max() const {
    return std::max(context_.settings().delivery.connections_max / 4, 1u);
}

std::uint32_t SiteTable::silent_trials_max() const { return std::max(trials_max() / 2, 1u); }

// What is left of them, one at least, is for those that answer.
std::uint32_t SiteTable::unanswered_max() const {
    const auto all = context_.settings().delivery.connections_max;
    return std::max(all - std::min(all, trials_max()), 1u);
}

bool SiteTable::may_begin(Standing standing) const {
    if (standing == Standing::answering) return true;
    if (standing == Standing::silent && trials_in(TrialPlace::silent) >= silent_trials_max())
        return false;
    return trials() < trials_max() && unanswered() < unanswered_max();
}

std::optional<TrialPlace> SiteTable::begin_trial(queue::SiteHandle handle) {
    const auto standing = sites_[handle].standing(context_.now());
    if (standing == Standing::answering) return std::nullopt;
    const auto place = standing == Standing::silent ? TrialPlace::silent : TrialPlace::untried;
    ++trials_[static_cast<std::size_t>(place)];
    return place;
}

void SiteTable::send_trial(TrialPlace& place) {
    end_trial(std::exchange(place, TrialPlace::sent));
    ++trials_[static_cast<std::size_t>(place)];
}

void SiteTable::end_trial(TrialPlace place) {
    MTA_ASSERT(trials_in(place) > 0);
    --trials_[static_cast<std::size_t>(place)];
    context_.request_tick();
}

void SiteTable::note_answer(queue::SiteHandle handle) {
    auto& site = sites_[handle];
    const bool was_answering = site.standing(context_.now()) == Standing::answering;
    site.last_answer = context_.now();
    const bool is_more_allowed = site.silent.on_answer();
    if (!was_answering) context_.note_trouble();
    if (!was_answering || is_more_allowed) refresh(handle);
}

bool SiteTable::do_untried_wait() const {
    return !may_begin(Standing::untried) && !ring_of(Standing::untried).empty();
}

bool SiteTable::is_wanted(TrialPlace trial) const {
    if (trial == TrialPlace::sent) return false;
    if (do_untried_wait()) return true;
    if (ring_of(Standing::silent).empty()) return false;
    const bool are_silent_full = trials_in(TrialPlace::silent) >= silent_trials_max();
    return are_silent_full ? trial == TrialPlace::silent : !may_begin(Standing::silent);
}

std::optional<SiteTable::Trials> SiteTable::trials_before(queue::SiteHandle handle) const {
    const auto standing = sites_[handle].standing(context_.now());
    if (may_begin(standing)) return std::nullopt;
    if (unanswered() >= unanswered_max()) return Trials{unanswered(), unanswered_max()};
    if (trials() >= trials_max()) return Trials{trials(), trials_max()};
    return Trials{trials_in(TrialPlace::silent), silent_trials_max()};
}

// ---- Time ----

void SiteTable::tick() {
    for (const auto handle : timers_.advance(context_.now())) {
        auto& site = sites_[handle];
        if (site.is_unused() && !site.ring) {
            if (context_.now() - site.last_answer < answer_counts_for)
                answered_.touch(site.plan.key) = site.last_answer;
            by_key_.erase(site.plan.key);
            resting_.erase(site.in_ring);
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
    if (site.plan.is_static) return;
    const auto rule = first_rule(site.rule, find_site_rule(context_.settings(), domain));
    if (rule == site.rule) return;
    set_rule(handle, rule);
    refresh(handle);
}

void SiteTable::restore(Hints hints) {
    for (auto& hint : hints) {
        if (hint.kind != Hint::Kind::site) continue;
        auto key = hint.key;
        hints_.insert_or_assign(std::move(key), std::move(hint));
    }
}

void SiteTable::restore_site(Site& site, const Hint& hint) {
    const auto now = context_.now();
    if (hint.trouble) site.destination.restore(*hint.trouble, now);
    site.destination.restore(hint.rates_taken, now);
    site.last_answer = std::min(hint.last_answer, now);
}

bool SiteTable::is_outdated(const Hint& hint, Instant now) {
    constexpr Millis rate_counts_for{86'400'000};
    const auto counts = [now](const std::optional<Instant>& at, Millis span) {
        return at && now - *at < span;
    };
    const bool is_rate_used = counts(hint.rates_taken.messages, rate_counts_for) ||
                              counts(hint.rates_taken.connections, rate_counts_for);
    const bool is_in_trouble = hint.trouble && now - hint.trouble->next_probe < linger_down;
    return !is_rate_used && !is_in_trouble && now - hint.last_answer >= answer_counts_for;
}

void SiteTable::add_hints(Hints& hints) const {
    for (const auto handle : sites_.handles()) {
        if (hints.size() >= limits::hints_max) break;
        if (!is_used(handle)) continue;
        const auto& site = sites_[handle];
        auto trouble = site.destination.health().trouble();
        const auto taken = site.destination.rates_taken(context_.now());
        if (!trouble && taken.is_empty()) continue;
        hints.push_back(
            {Hint::Kind::site, site.plan.key, std::move(trouble), taken, site.last_answer});
    }
    // Mail for these has not been seen yet: old mail is still being loaded.
    for (const auto& [key, hint] : hints_) {
        if (hints.size() >= limits::hints_max) return;
        if (!is_outdated(hint, context_.now())) hints.push_back(hint);
    }
}

void SiteTable::add_answers(Hints& hints) const {
    const auto now = context_.now();
    const auto add = [&](const std::string& key, Instant last_answer) {
        if (hints.size() < limits::hints_max && now - last_answer < answer_counts_for)
            hints.push_back({Hint::Kind::site, key, std::nullopt, {}, last_answer});
    };
    for (const auto handle : sites_.handles()) {
        if (!is_used(handle) || !sites_[handle].has_answered_lately(now)) continue;
        const auto& destination = sites_[handle].destination;
        if (destination.health().is_up() && destination.rates_taken(now).is_empty())
            add(sites_[handle].plan.key, sites_[handle].last_answer);
    }
    for (const auto& [key, last_answer] : answered_)
        if (!by_key_.contains(key)) add(key, last_answer);
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

void SiteTable::set_rule(queue::SiteHandle handle, SiteRule rule) {
    auto& site = sites_[handle];
    site.rule = rule;
    site.limits = site_limits(context_.settings(), rule);
    site.destination.set_policy(policy_of(site.plan.is_static, site.limits));
}

}  // namespace mta::outbound
