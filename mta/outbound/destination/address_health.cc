#include "mta/outbound/destination/address_health.h"

#include <utility>

#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

const queue::ProbePolicy& probes_of(bool is_static) {
    return is_static ? queue::static_route_probes : queue::mx_probes;
}

}  // namespace

AddressHealth::AddressHealth()
    : known_(limits::addresses_remembered_max,
             [](const queue::Health& health) { return !health.is_probing(); }) {}

bool AddressHealth::may_try(const Endpoint& endpoint, Instant now) const {
    const auto* health = known_.find(endpoint);
    return health == nullptr || health->is_up() || health->may_probe(now);
}

bool AddressHealth::is_well(const Endpoint& endpoint) const {
    const auto* health = known_.find(endpoint);
    return health == nullptr || health->is_up();
}

Instant AddressHealth::next_try(const Endpoint& endpoint) const {
    const auto* health = known_.find(endpoint);
    const auto trouble = health == nullptr ? std::nullopt : health->trouble();
    return trouble ? trouble->next_probe : Instant{};
}

AddressHealth::Attempt AddressHealth::begin(const Endpoint& endpoint, Instant now) {
    auto& health = known_.touch(endpoint);
    Attempt attempt{.endpoint = endpoint, .successes_at_start = health.successes()};
    if (!health.is_up() && !health.is_probing()) {
        health.end_interval(now);
        health.begin_probe();
        attempt.is_probe = true;
    }
    return attempt;
}

bool AddressHealth::succeeded(const Attempt& attempt, Instant now) {
    return known_.touch(attempt.endpoint).on_success(now);
}

bool AddressHealth::failed(const Attempt& attempt, Failure failure, Instant now) {
    return known_.touch(attempt.endpoint)
        .on_failure({std::move(failure.error), attempt.is_probe, attempt.successes_at_start,
                     failure.jitter},
                    now, probes_of(failure.is_static));
}

void AddressHealth::learnt_nothing(const Attempt& attempt, Instant now) {
    auto* health = known_.find(attempt.endpoint);
    if (health != nullptr && attempt.is_probe) health->end_probe(now, attempt.successes_at_start);
}

void AddressHealth::probe_now(const Endpoint& endpoint, Instant now) {
    if (auto* health = known_.find(endpoint)) health->probe_now(now);
}

std::optional<queue::Health::Trouble> AddressHealth::trouble(const Endpoint& endpoint) const {
    const auto* health = known_.find(endpoint);
    return health == nullptr ? std::nullopt : health->trouble();
}

void AddressHealth::add_hints(Hints& hints) const {
    for (const auto& [endpoint, health] : known_) {
        if (hints.size() >= limits::hints_max) return;
        if (auto trouble = health.trouble())
            hints.push_back({Hint::Kind::address, to_string(endpoint), std::move(trouble)});
    }
}

void AddressHealth::restore(const Hint& hint, Instant now) {
    const auto endpoint = parse_endpoint(hint.key);
    if (!endpoint || !hint.trouble || known_.find(*endpoint) != nullptr) return;
    known_.touch(*endpoint).restore(*hint.trouble, now, queue::mx_probes);
}

}  // namespace mta::outbound
