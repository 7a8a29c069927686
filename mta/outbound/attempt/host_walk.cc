#include "mta/outbound/attempt/host_walk.h"

#include <algorithm>
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"

namespace mta::outbound {

void HostWalk::plan(Plan plan, Purpose purpose, bool was_answered) {
    MTA_ASSERT(plan.hosts.size() == plan.ranks.size());
    plan_ = std::move(plan);
    is_planned_ = true;
    purpose_ = purpose;
    next_host_ = 0;
    takes_failing_ = purpose != Purpose::mail;
    pass_ = purpose == Purpose::ordered_probe ? Pass::all : Pass::others;
    has_skipped_asked_ = false;
    if (!was_answered) asked_.clear();
    asked_before_round_ = 0;
    full_.reset();
    full_place_ = 0;
    least_bad_.reset();
    if (!was_answered || only_v4_) return;
    for (std::size_t i = plan_.hosts.size(); i-- > 0;) {
        if (plan_.hosts[i].host != host_) continue;
        plan_.hosts.erase(plan_.hosts.begin() + static_cast<std::ptrdiff_t>(i));
        plan_.ranks.erase(plan_.ranks.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

HostWalk::Step HostWalk::next(const Surroundings& around) {
    MTA_ASSERT(is_planned_);
    while (around.may_ask && !is_enough(around)) {
        if (go_to_next_address(around)) {
            if (around.allowed_at <= around.now) return Connect{addresses_[next_address_], slots_};
            // A recipient that expires during the pause has to expire in the line.
            if (around.expires_at <= around.allowed_at) break;
            return PauseUntil{around.allowed_at};
        }
        if (has_next_host(around.now)) {
            const auto& host = plan_.hosts[next_host_++];
            host_ = host.host;
            return Resolve{host};
        }
        if (full_ && HostLimits::has_room(*full_, around.now)) {
            return_to_full_host();
            continue;
        }
        // Recipients that have an answer do not wait for a second one, and the destination's other
        // mail with them.
        if (full_ && !around.has_answer) return QueueAt{full_};
        if (begin_last_pass(around.asked)) continue;
        if (turn_to_least_bad()) continue;
        return Exhausted{.have_all_been_asked = !full_ && !least_bad_};
    }
    return Exhausted{};
}

bool HostWalk::is_enough(const Surroundings& around) const {
    if (sessions_ >= sessions_max) return true;
    return purpose_ != Purpose::ordered_probe && addresses_tried_ >= around.addresses_max;
}

// Moves to the host's next address that may be tried now. Returns false if there is none.
bool HostWalk::go_to_next_address(const Surroundings& around) {
    for (; next_address_ < addresses_.size(); ++next_address_) {
        const auto& endpoint = addresses_[next_address_];
        if (!can_reach(around.families, endpoint.address)) continue;
        if (is_skipped(endpoint, around)) continue;
        if (!takes_failing_ && !around.health.may_try(endpoint, around.now)) {
            const auto next_try = around.health.next_try(endpoint);
            if (!least_bad_ || next_try < least_bad_->next_try)
                least_bad_ = {{host_, endpoint.port}, slots_, endpoint, next_try};
            continue;
        }
        const std::uint32_t own_slots = around.own == slots_.get() ? 1 : 0;
        if (HostLimits::has_room(*slots_, around.now, own_slots)) return true;
        if (!full_) {
            full_ = slots_;
            full_place_ = next_host_ - 1;
        }
        next_address_ = addresses_.size();
    }
    return false;
}

bool HostWalk::can_reach(const Families& families, const IpAddress& address) {
    if (only_v4_ && address.is_v6()) return false;
    const std::string family = address.is_v6() ? "IPv6" : "IPv4";
    const auto excluded = address.is_v6() ? conf::IpFamilies::v4 : conf::IpFamilies::v6;
    const bool is_named = families.is_static && IpAddress::parse(host_);
    std::string why;
    if (!(address.is_v6() ? families.source_has_v6 : families.source_has_v4)) {
        why = "the source " + std::string(families.source) + " has no " + family +
              " address from which to reach " + address.to_string();
    } else if (!is_named && families.allowed == excluded) {
        why = address.to_string() + " is not used: the configuration excludes " + family +
              " here (ip)";
    } else {
        return true;
    }
    add_trouble({.status = {4, 4, 4}, .scope = Scope::host, .text = std::move(why)});
    return false;
}

bool HostWalk::is_skipped(const Endpoint& endpoint, const Surroundings& around) {
    if (std::ranges::find(asked_, endpoint) != asked_.end()) return true;
    if (pass_ == Pass::all || !around.asked.is_passed_over(endpoint, around.is_retried))
        return false;
    has_skipped_asked_ = true;
    return true;
}

bool HostWalk::has_next_host(Instant now) const {
    if (next_host_ >= plan_.hosts.size()) return false;
    if (!full_ || full_->closed_until > now) return true;
    return plan_.ranks[next_host_] == plan_.ranks[full_place_];
}

// Only addresses are left that earlier attempts have asked: this attempt begins a new round.
bool HostWalk::begin_last_pass(AskedAddresses& asked) {
    if (!has_skipped_asked_ || pass_ == Pass::all) return false;
    pass_ = Pass::all;
    asked_before_round_ = asked_.size();
    asked.begin_round();
    next_host_ = 0;
    clear_addresses();
    return true;
}

// Every address that is left is failing: the one whose next try is due first is tried before its
// time.
bool HostWalk::turn_to_least_bad() {
    if (!least_bad_ || sessions_ > 0) return false;
    const auto least_bad = *std::exchange(least_bad_, std::nullopt);
    plan_.hosts = {least_bad.name};
    plan_.ranks = {0};
    next_host_ = 1;
    full_.reset();
    full_place_ = 0;
    host_ = least_bad.name.host;
    slots_ = least_bad.host;
    addresses_ = {least_bad.endpoint};
    next_address_ = 0;
    takes_failing_ = true;
    return true;
}

void HostWalk::found(std::vector<Endpoint> addresses, HostPtr host, const AddressHealth& health) {
    addresses_ = std::move(addresses);
    next_address_ = 0;
    slots_ = std::move(host);
    // A probe tries as many as it may, and not the same ones each time.
    if (takes_failing_) {
        std::ranges::stable_sort(
            addresses_, {}, [&](const Endpoint& endpoint) { return health.next_try(endpoint); });
    }
}

void HostWalk::not_found(DeliveryError error, bool is_this_machine) {
    clear_addresses();
    add_trouble(std::move(error));
    if (!is_this_machine) return;
    plan_.hosts.resize(next_host_);
    plan_.ranks.resize(next_host_);
}

void HostWalk::resolve_again() {
    MTA_ASSERT(next_host_ > 0);
    --next_host_;
}

void HostWalk::connecting() {
    MTA_ASSERT(next_address_ < addresses_.size());
    ++addresses_tried_;
    asked_.push_back(addresses_[next_address_++]);
}

void HostWalk::take_back(const Endpoint& endpoint) {
    MTA_ASSERT(addresses_tried_ > 0);
    --addresses_tried_;
    std::erase(asked_, endpoint);
}

void HostWalk::speaks_to(const std::string& host, const Endpoint& endpoint) {
    if (!host.empty()) host_ = host;
    if (std::ranges::find(asked_, endpoint) == asked_.end()) asked_.push_back(endpoint);
}

void HostWalk::leave_host() { clear_addresses(); }

bool HostWalk::retry_host(const Endpoint& endpoint) {
    clear_addresses();
    const auto here = std::ranges::find(plan_.hosts, host_, &conf::NextHopHost::host);
    if (!is_planned_ || here == plan_.hosts.end()) return false;
    next_host_ = static_cast<std::size_t>(here - plan_.hosts.begin());
    std::erase(asked_, endpoint);
    return true;
}

void HostWalk::return_to_full_host() {
    next_host_ = full_place_;
    full_.reset();
    clear_addresses();
}

void HostWalk::turn_to_v4() {
    only_v4_ = true;
    pass_ = Pass::all;
    next_host_ = 0;
    // That session was with an address that we may not come from.
    if (sessions_ > 0) --sessions_;
}

void HostWalk::add_trouble(DeliveryError error) {
    dns::keep_most_hopeful(trouble_, std::move(error));
}

std::span<const Endpoint> HostWalk::asked_in_round() const {
    return std::span(asked_).subspan(std::min(asked_before_round_, asked_.size()));
}

void HostWalk::clear_addresses() {
    addresses_.clear();
    next_address_ = 0;
}

}  // namespace mta::outbound
