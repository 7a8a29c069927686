#include "mta/outbound/attempt/approach.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "dns/mx_plan.h"

namespace mta::outbound {
namespace {

using attempt_state::Admitted;
using attempt_state::Connecting;
using attempt_state::Paused;
using attempt_state::Queued;
using attempt_state::Resolving;

// Until a look-up for which the resolver had no room is tried again.
constexpr Millis room_wait{1'000};

std::vector<std::uint16_t> ranks_of(const NextHop& next_hop,
                                    const std::vector<conf::NextHopHost>& hosts) {
    std::vector<std::uint16_t> ranks;
    const auto* const mx = std::get_if<MxHosts>(&next_hop);
    for (const auto& host : hosts) {
        if (mx == nullptr || !*mx->answer) {
            ranks.push_back(static_cast<std::uint16_t>(ranks.size()));
            continue;
        }
        std::uint16_t best = UINT16_MAX;  // of several records that name the host
        for (const auto& record : (*mx->answer)->records)
            if (record.exchange == host.host) best = std::min(best, record.preference);
        ranks.push_back(best);
    }
    return ranks;
}

// The place of a state, if it has one, which is left without it.
std::optional<ConnectionPlace> take_place_of(AttemptState& state) {
    if (auto* const admitted = std::get_if<Admitted>(&state)) return std::move(admitted->place);
    if (auto* const resolving = std::get_if<Resolving>(&state)) return std::move(resolving->place);
    if (auto* const paused = std::get_if<Paused>(&state)) return std::move(paused->place);
    return std::nullopt;
}

const HostLimits::Host* own_slot_of(const AttemptState& state) {
    if (const auto* const admitted = std::get_if<Admitted>(&state))
        return admitted->place.slot.host();
    if (const auto* const resolving = std::get_if<Resolving>(&state))
        return resolving->place ? resolving->place->slot.host() : nullptr;
    if (const auto* const paused = std::get_if<Paused>(&state))
        return paused->place ? paused->place->slot.host() : nullptr;
    return nullptr;
}

}  // namespace

void Approach::walk(AttemptHandle handle) {
    auto& attempt = parts_.table[handle];
    if (!attempt.walk.is_planned()) {
        auto plan = plan_for(attempt);
        if (!plan) {
            parts_.end.record_host_failure(attempt, plan.error());
            attempt.walk.add_trouble(std::move(plan.error()));
            return parts_.end.give_up(handle, true);
        }
        attempt.walk.plan(std::move(*plan), attempt.purpose, attempt.was_answered());
    }
    go_on(handle);
}

Result<HostWalk::Plan> Approach::plan_for(const Attempt& attempt) {
    const auto& next_hop = parts_.sites[attempt.site].plan.next_hop;
    const auto port = context_.settings().delivery.port;
    using Hosts = std::vector<conf::NextHopHost>;
    MTA_TRY(hosts,
            std::visit(EachNextHop{
                           [](const StaticHosts& given) -> Result<Hosts> { return given.hosts; },
                           [&](const MxHosts& mx) -> Result<Hosts> {
                               MTA_TRY(names,
                                       dns::plan_hosts(mx.domain, *mx.answer, context_.own_names(),
                                                       parts_.scheduler.rng()));
                               Hosts found;
                               for (auto& name : names) found.push_back({std::move(name), port});
                               return found;
                           },
                           [port](const LiteralHost& host) -> Result<Hosts> {
                               return Hosts{{host.literal, port}};
                           },
                       },
                       next_hop));
    auto ranks = ranks_of(next_hop, hosts);
    return HostWalk::Plan{std::move(hosts), std::move(ranks)};
}

HostWalk::Surroundings Approach::surroundings_of(Attempt& attempt) {
    auto& site = parts_.sites[attempt.site];
    auto& destination = site.destination;
    const auto now = context_.now();
    if (attempt.rates.is_stale(now)) attempt.rates.give_back(destination);
    const auto allowed_at = destination.rates().next_allowed(attempt.rates.needs());
    const auto families = parts_.sources.families_of(site.plan.source);
    const bool is_up = destination.health().is_up();
    return {.now = now,
            .health = parts_.addresses,
            .asked = site.asked,
            .families = {.allowed = site.limits.ip,
                         .source = site.plan.source,
                         .source_has_v4 = families.v4,
                         .source_has_v6 = families.v6,
                         .is_static = site.plan.is_static()},
            .addresses_max = context_.settings().delivery.addresses_per_attempt_max,
            // While the site is down only its probe asks; outside of its hours nothing does.
            .may_ask = !destination.is_closed() && (attempt.is_probe() || is_up),
            .is_retried = attempt.is_retry || destination.is_slowed(),
            .has_answer = attempt.heard > Heard::broken,
            .allowed_at = allowed_at,
            .expires_at = allowed_at > now ? first_expiry(attempt) : Instant::max(),
            .own = own_slot_of(attempt.state)};
}

// To the next address, or the next host's addresses, or the end of the attempt. The attempt may have
// ended afterwards.
void Approach::go_on(AttemptHandle handle) {
    for (;;) {
        auto& attempt = parts_.table[handle];
        const auto step = attempt.walk.next(surroundings_of(attempt));
        if (const auto* const host = std::get_if<HostWalk::Resolve>(&step)) {
            if (resolve(handle, host->host)) continue;
        } else if (const auto* const address = std::get_if<HostWalk::Connect>(&step)) {
            connect(handle, *address);
        } else if (const auto* const full = std::get_if<HostWalk::QueueAt>(&step)) {
            queue_at(handle, full->host);
        } else if (const auto* const pause = std::get_if<HostWalk::PauseUntil>(&step)) {
            parts_.table.enter(handle, Paused{pause->at, std::nullopt});
        } else {
            const auto& exhausted = std::get<HostWalk::Exhausted>(step);
            parts_.end.give_up(handle, exhausted.have_all_been_asked);
        }
        return;
    }
}

// Returns true if the host is an address: then there is nothing to wait for.
bool Approach::resolve(AttemptHandle handle, const conf::NextHopHost& host) {
    auto& attempt = parts_.table[handle];
    if (const auto found = parts_.look_ups.literal(attempt.site, host)) {
        take_found(handle, host, *found);
        return true;
    }
    auto place = take_place_of(attempt.state);
    parts_.table.enter(handle, Resolving{context_.now(), std::move(place), {}});
    parts_.look_ups.begin(
        attempt, host, std::get<Resolving>(attempt.state).answer,
        [this, handle, host](const HostLookUps::Found* found) { on_found(handle, host, found); });
    return false;
}

void Approach::on_found(AttemptHandle handle, const conf::NextHopHost& host,
                        const HostLookUps::Found* found) {
    auto& attempt = parts_.table[handle];
    if (found != nullptr) {
        take_found(handle, host, *found);
        return go_on(handle);
    }
    // No failure of the host: it is asked for again soon.
    attempt.walk.resolve_again();
    auto place = take_place_of(attempt.state);
    parts_.table.enter(handle, Paused{context_.now() + room_wait, std::move(place)});
}

void Approach::take_found(AttemptHandle handle, const conf::NextHopHost& host,
                          const HostLookUps::Found& found) {
    auto& attempt = parts_.table[handle];
    if (found.addresses) {
        attempt.walk.found(*found.addresses, host_for(attempt.site, host), parts_.addresses);
    } else {
        parts_.end.record_host_failure(attempt, found.addresses.error());
        attempt.walk.not_found(found.addresses.error(), found.is_this_machine);
    }
}

void Approach::queue_at(AttemptHandle handle, const HostLimits::HostPtr& host) {
    auto& attempt = parts_.table[handle];
    // One attempt of each site is enough: the one that is called brings the others.
    if (parts_.sites[attempt.site].is_waiting_for_host) return parts_.end.put_back(handle);
    const auto site = attempt.site;
    parts_.table.enter(handle, Queued{host, first_expiry(attempt)});
    if (host->closed_until <= context_.now()) parts_.pool.close_idle_to(*host);
    parts_.sites.refresh(site);
}

void Approach::connect(AttemptHandle handle, const HostWalk::Connect& step) {
    auto& attempt = parts_.table[handle];
    auto& site = parts_.sites[attempt.site];
    // The place may have been given up in a long look-up or in a pause.
    auto place = take_place_of(attempt.state);
    if (!place && !is_place_left(attempt.site)) return parts_.end.put_back(handle);
    parts_.table.enter(handle, Admitted{place ? std::move(*place) : ConnectionPlace{}});
    attempt.rates.take(site.destination, context_.now());
    if (site.limits.has_rates()) context_.note_trouble();
    attempt.walk.connecting();
    if (attempt.purpose == Purpose::ordered_probe)
        parts_.addresses.probe_now(step.endpoint, context_.now());
    attempt.rates.use_connection();
    // The host before this one has ended the session.
    if (attempt.trial && attempt.was_offered) parts_.table.begin_trial_afresh(handle);
    const auto connection =
        parts_.pool.open(attempt.site, target_for(attempt, step.endpoint), step.host);
    parts_.table.enter(handle, Connecting{connection});
    // There is room for more, or the next one may go and look.
    if (HostLimits::has_room(*step.host, context_.now())) site.knows_full_host = false;
    parts_.sites.refresh(attempt.site);
}

Connection::Target Approach::target_for(const Attempt& attempt, const Endpoint& endpoint) {
    auto& site = parts_.sites[attempt.site];
    const auto& host = attempt.walk.host();
    const bool is_address = IpAddress::parse(host) || dns::address_of_literal(host);
    Connection::Target target{
        .host = is_address ? std::string{} : host,
        .endpoint = endpoint,
        .without = site.limits.without | parts_.keywords.without(host, context_.now()),
        .is_unwell = !attempt.is_probe() && !parts_.addresses.is_well(endpoint)};
    const bool is_v6 = endpoint.address.is_v6();
    const auto& members = parts_.sources.members(site.plan.source);
    if (const auto* source = site.sources.next(members, is_v6, context_.now())) {
        target.source = source->name;
        target.source_address = is_v6 ? source->v6 : source->v4;
        target.ehlo_name = source->ehlo;
    }
    if (parts_.tracing.is_watched()) {
        target.watchers =
            parts_.tracing.match(*attempt.content, attempt.recipients, context_.now());
        target.message_id = attempt.id;
    }
    return target;
}

// The host's limit, which holds for all sites that lead there.
HostLimits::HostPtr Approach::host_for(queue::SiteHandle handle, const conf::NextHopHost& host) {
    const auto& settings = context_.settings();
    const auto& site = parts_.sites[handle];
    const auto literal = dns::address_of_literal(host.host);
    const auto name = literal ? literal->to_string() : host.host;
    auto most =
        std::max(settings.delivery.connections_per_destination_max, site.limits.connections_max);
    if (const auto rule = find_site_rule(settings, name))
        most = site_limits(settings, rule).connections_max;
    return parts_.hosts.host(name + ':' + std::to_string(host.port),
                             concurrency_policy(site.plan.is_static(), most));
}

// When the first recipient is given up; Instant::max(): none is before it was tried.
Instant Approach::first_expiry(const Attempt& attempt) const {
    const auto& entry = parts_.scheduler.table().message(attempt.message);
    auto first = Instant::max();
    for (const auto number : attempt.recipients) {
        const auto& recipient = parts_.scheduler.table().recipient(entry, number);
        first = std::min(first, parts_.scheduler.gives_up_at(entry, recipient).value_or(first));
    }
    return first;
}

// ---- How many connections there may be ----

std::uint32_t Approach::connections() const { return parts_.pool.total() + parts_.table.places(); }

std::uint32_t Approach::crowded_from() const {
    const auto most = context_.settings().delivery.connections_max;
    return most - most / 4;
}

std::uint32_t Approach::connections_max_for(queue::SiteHandle handle) const {
    const auto& site = parts_.sites[handle];
    const auto own = site.connections + site.unconnected;
    const bool may_have_all = own == 0 || own == connections();
    return may_have_all ? context_.settings().delivery.connections_max : crowded_from();
}

bool Approach::is_place_left(queue::SiteHandle site) const {
    return connections() < connections_max_for(site) && !parts_.sites.trials_before(site);
}

}  // namespace mta::outbound
