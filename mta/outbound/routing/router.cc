#include "mta/outbound/routing/router.h"

#include <algorithm>
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"

namespace mta::outbound {

Router::Router(Context& context, Parts parts, Handlers handlers)
    : context_(context),
      resolver_(parts.resolver),
      scheduler_(parts.scheduler),
      bundles_(parts.bundles),
      sources_(parts.sources),
      sites_(parts.sites),
      handlers_(std::move(handlers)),
      routed_by_(context.settings_ptr()),
      routes_(routed_by_->routes),
      timers_(context.now()) {}

std::optional<Millis> Router::lifetime_of(const RouteTable& routes, std::string_view domain) {
    const auto* route = routes.find(domain);
    return route == nullptr ? std::nullopt : route->lifetime;
}

queue::SiteHandle Router::site_for(queue::DomainHandle domain, std::string_view source) {
    auto& known = entry(domain);
    const auto now = context_.now();
    const auto& name = scheduler_.table().domain(domain).name;
    if (now >= known.valid_until) {
        const bool is_fixed = routes_.find(name) != nullptr || dns::address_of_literal(name);
        if (!is_fixed) return {};
        forget_sites(known);
        known.valid_until = Instant::max();
    }
    const auto present = std::ranges::find(known.routed, source, &Routed::source);
    if (present != known.routed.end()) return present->site;
    auto plan = plan_for_domain(known, name, source);
    if (!plan) return {};
    const auto site = sites_.find_or_add(std::move(*plan));
    ++sites_[site].domains;
    known.routed.push_back({std::string(source), site});
    return site;
}

std::optional<SitePlan> Router::plan_for_domain(const Entry& entry, const std::string& name,
                                                std::string_view source) const {
    if (const auto* route = routes_.find(name))
        return plan_for_route(*route, route->source.empty() ? source : route->source);
    if (dns::address_of_literal(name)) return plan_for_literal(name, source);
    if (!entry.mx) return std::nullopt;
    return plan_for_mx(name, entry.mx, source);
}

void Router::look_up_anew(queue::DomainHandle domain) {
    const auto& known = entry(domain);
    if (known.look_up != LookUp::none || context_.is_draining()) return;
    if (known.health.is_up() || known.health.may_probe(context_.now())) look_up(domain);
}

bool Router::has_moved(queue::DomainHandle domain, const std::vector<Routed>& former) {
    return std::ranges::any_of(former, [&](const Routed& routed) {
        return site_for(domain, routed.source) != routed.site;
    });
}

void Router::park(queue::DomainHandle domain, queue::BundleHandle bundle) {
    auto& waiting = entry(domain);
    waiting.line.push_back(bundles_, bundle);
    if (waiting.look_up != LookUp::none) return;
    if (waiting.health.is_up() || waiting.health.may_probe(context_.now())) {
        look_up(domain);
    } else if (const auto probe = waiting.health.next_probe()) {
        timers_.set(domain, *probe);
    }
}

void Router::unpark(queue::DomainHandle domain, queue::BundleHandle bundle) {
    auto& left = entry(domain);
    left.line.remove(bundles_, bundle);
    if (left.line.empty() && left.look_up == LookUp::no_room) left.look_up = LookUp::none;
}

queue::BundleHandle Router::first_parked(queue::DomainHandle domain) const {
    const auto* known = find(domain);
    return known == nullptr ? queue::BundleHandle{} : known->line.front();
}

Router::View Router::view(queue::DomainHandle domain, std::string_view source) const {
    const auto* known = find(domain);
    if (known == nullptr) return {};
    auto site = known->routed.empty() ? queue::SiteHandle{} : known->routed.front().site;
    for (const auto& routed : known->routed)
        if (routed.source == source) site = routed.site;
    const bool is_asked = known->look_up == LookUp::asked;
    return {.site = site,
            .has_no_room = known->look_up == LookUp::no_room,
            .asked_since = is_asked ? std::optional(known->asked_at) : std::nullopt,
            .health = &known->health};
}

std::vector<queue::SiteHandle> Router::sites_of(queue::DomainHandle domain) const {
    std::vector<queue::SiteHandle> sites;
    const auto* known = find(domain);
    if (known == nullptr) return sites;
    for (const auto& routed : known->routed) sites.push_back(routed.site);
    return sites;
}

bool Router::is_static(queue::DomainHandle domain) const {
    return routes_.find(scheduler_.table().domain(domain).name) != nullptr;
}

std::uint32_t Router::failures_of(queue::DomainHandle domain) const {
    const auto* known = find(domain);
    return known == nullptr ? 0 : known->failed_look_ups;
}

void Router::apply_settings() {
    routed_by_ = context_.settings_ptr();
    routes_ = RouteTable(routed_by_->routes);
    for (const auto domain : scheduler_.table().domains()) {
        auto* known = find(domain);
        if (known == nullptr) continue;
        known->valid_until = Instant{};
        for (const auto& routed : known->routed)
            sites_.note_domain(routed.site, scheduler_.table().domain(domain).name);
    }
}

void Router::note_unused(const std::vector<queue::DomainHandle>& domains) {
    for (const auto domain : domains)
        if (scheduler_.table().domain(domain).recipients == 0)
            timers_.set(domain, context_.now() + linger);
}

void Router::probe_now(queue::DomainHandle domain) {
    auto* known = find(domain);
    if (known == nullptr) return;
    known->health.probe_now(context_.now());
    const bool is_site_down = std::ranges::any_of(known->routed, [this](const Routed& routed) {
        return !sites_[routed.site].destination.health().is_up();
    });
    const bool is_wanted = !known->line.empty() || (known->mx && is_site_down);
    if (is_wanted && known->look_up == LookUp::none) look_up(domain, dns::Freshness::ordered);
}

void Router::tick() {
    for (const auto domain : timers_.advance(context_.now())) {
        if (scheduler_.table().domain(domain).name.empty()) continue;
        auto& known = entry(domain);
        if (!known.line.empty()) {
            if (known.look_up != LookUp::asked) look_up(domain);
        } else if (scheduler_.table().domain(domain).recipients == 0) {
            if (known.look_up == LookUp::asked) {
                timers_.set(domain, context_.now() + linger);
                continue;
            }
            forget_sites(known);
            entries_[domain.index()].reset();
            scheduler_.table().remove_domain(domain);
        }
    }
}

Router::Entry& Router::entry(queue::DomainHandle domain) {
    const auto index = std::size_t{domain.index()};
    if (index >= entries_.size()) entries_.resize(index + 1);
    if (!entries_[index]) entries_[index] = std::make_unique<Entry>();
    return *entries_[index];
}

Router::Entry* Router::find(queue::DomainHandle domain) const {
    const auto index = std::size_t{domain.index()};
    return index < entries_.size() ? entries_[index].get() : nullptr;
}

void Router::forget_sites(Entry& entry) {
    entry.mx.reset();
    for (const auto& routed : std::exchange(entry.routed, {})) {
        --sites_[routed.site].domains;
        sites_.refresh(routed.site);
    }
}

void Router::look_up(queue::DomainHandle domain, dns::Freshness freshness) {
    auto& asked = entry(domain);
    MTA_ASSERT(asked.look_up != LookUp::asked);
    asked.look_up = LookUp::asked;
    asked.asked_at = context_.now();
    if (!asked.health.is_up()) {
        if (asked.health.is_probe_ordered()) {
            freshness = dns::Freshness::ordered;
        } else {
            freshness = std::max(freshness, dns::Freshness::retry);
        }
        if (!asked.health.is_probing()) asked.health.begin_probe();
    }
    timers_.clear(domain);
    resolver_.look_up_mx(scheduler_.table().domain(domain).name, freshness,
                         look_ups_.guard([this, domain](const dns::Lookup<dns::MxAnswer>& answer) {
                             on_answer(domain, answer);
                         }));
}

void Router::on_answer(queue::DomainHandle domain, const dns::Lookup<dns::MxAnswer>& answer) {
    if (!answer && answer.error().kind == dns::LookupError::Kind::overloaded)
        return wait_for_room(domain);
    auto& known = entry(domain);
    known.look_up = LookUp::none;
    const auto now = context_.now();
    const auto& name = scheduler_.table().domain(domain).name;
    // Only the planner knows what an answer means.
    const auto hosts = dns::plan_hosts(name, answer, context_.own_names(), scheduler_.rng());
    const auto down_since = known.health.down_since();
    if ((hosts || hosts.error().is_permanent()) && known.health.on_success(now))
        context_.event(
            events::DestinationUp{name, now - down_since.value_or(now), known.line.size()});
    const auto former = known.routed;
    if (hosts) {
        forget_sites(known);
        known.mx = std::make_shared<const dns::Lookup<dns::MxAnswer>>(answer);
        const auto ttl = answer ? answer->ttl : route_ttl_min;
        known.valid_until = now + std::clamp(ttl, route_ttl_min, route_ttl_max);
        handlers_.on_routed(domain);
        if (has_moved(domain, former)) handlers_.on_moved(domain);
    } else if (hosts.error().is_permanent()) {
        forget_sites(known);
        handlers_.on_unroutable(domain, hosts.error());
        if (!former.empty()) handlers_.on_moved(domain);
    } else {
        ++known.failed_look_ups;
        const auto was_probe = known.health.is_probing();
        const bool went_down = known.health.on_failure(
            {hosts.error(), was_probe, known.health.successes(), scheduler_.jitter()}, now,
            queue::dns_probes);
        const auto next_probe = known.health.next_probe().value_or(now);
        if (went_down) {
            context_.event(
                events::DestinationDown{name, hosts.error(), next_probe, known.line.size()});
        }
        if (!known.line.empty()) timers_.set(domain, next_probe);
    }
    if (scheduler_.table().domain(domain).recipients == 0) timers_.set(domain, now + linger);
    look_up_next_without_room();
    context_.request_tick();
}

void Router::wait_for_room(queue::DomainHandle domain) {
    auto& known = entry(domain);
    const auto now = context_.now();
    known.health.end_probe(now, known.health.successes());
    const bool is_unused = scheduler_.table().domain(domain).recipients == 0;
    timers_.set(domain, now + (is_unused ? linger : room_wait));
    known.look_up = known.line.empty() ? LookUp::none : LookUp::no_room;
    if (known.look_up == LookUp::no_room && !std::exchange(known.is_in_no_room_line, true))
        no_room_.push_back(domain);
    context_.request_tick();
}

void Router::look_up_next_without_room() {
    if (context_.is_draining()) return;
    while (!no_room_.empty()) {
        const auto domain = no_room_.front();
        no_room_.pop_front();
        auto* known = find(domain);
        if (known == nullptr) continue;
        known->is_in_no_room_line = false;
        if (known->look_up == LookUp::no_room) return look_up(domain);
    }
}

std::string Router::check() const {
    for (const auto domain : scheduler_.table().domains()) {
        const auto* known = find(domain);
        if (known == nullptr || known->line.empty()) continue;
        if (known->look_up != LookUp::asked && !timers_.is_set(domain))
            return "nobody looks up " + scheduler_.table().domain(domain).name;
    }
    return {};
}

}  // namespace mta::outbound
