#include "mta/outbound/destination/site_sources.h"

#include <algorithm>
#include <utility>

#include "queue/backoff.h"

namespace mta::outbound {
namespace {

bool has_family(const conf::Source& source, bool is_v6) {
    return is_v6 ? source.v6.has_value() : source.v4.has_value();
}

}  // namespace

const conf::Source* SiteSources::next(const Members& members, bool is_v6, Instant now) {
    const conf::Source* best = nullptr;
    const conf::Source* soonest = nullptr;
    std::int64_t weights = 0;
    for (const auto* member : members) {
        if (!has_family(*member, is_v6)) continue;
        auto& own = state(member->name);
        if (soonest == nullptr || own.suspended_until < state(soonest->name).suspended_until)
            soonest = member;
        if (own.suspended_until > now) continue;
        // Smooth weighted turns: with weights 3 and 1 it goes a, a, b, a.
        own.credit += member->weight;
        weights += member->weight;
        if (best == nullptr || own.credit > state(best->name).credit) best = member;
    }
    if (best == nullptr) return soonest;
    state(best->name).credit -= weights;
    return best;
}

bool SiteSources::refuse(const Members& members, Refusal refusal, Instant now) {
    const bool is_another_left = std::ranges::any_of(members, [&](const conf::Source* member) {
        return member->name != refusal.name && has_family(*member, refusal.is_v6) &&
               !is_suspended(member->name, now);
    });
    if (!is_another_left) return false;
    auto& own = state(refusal.name);
    // Several connections may get the same refusal.
    if (own.suspended_until > now) return true;
    ++own.refusals;
    own.suspended_until = now + queue::exponential_delay(suspension_min, suspension_max,
                                                         own.refusals, refusal.jitter);
    own.error = std::move(refusal.error);
    return true;
}

void SiteSources::accept(std::string_view name, Instant now) {
    if (find(name) == nullptr || is_suspended(name, now)) return;
    state(name).refusals = 0;
}

bool SiteSources::is_suspended(std::string_view name, Instant now) const {
    const auto* own = find(name);
    return own != nullptr && own->suspended_until > now;
}

std::vector<SiteSources::Suspension> SiteSources::suspensions(Instant now) const {
    std::vector<Suspension> all;
    for (const auto& own : states_)
        if (own.suspended_until > now) all.push_back({own.name, own.suspended_until, own.error});
    return all;
}

Instant SiteSources::forgotten_at() const {
    Instant last;
    for (const auto& own : states_) last = std::max(last, own.suspended_until);
    return last;
}

SiteSources::State& SiteSources::state(std::string_view name) {
    const auto found = std::ranges::find(states_, name, &State::name);
    if (found != states_.end()) return *found;
    return states_.emplace_back(
        State{.name = std::string(name), .suspended_until = {}, .error = {}});
}

const SiteSources::State* SiteSources::find(std::string_view name) const {
    const auto found = std::ranges::find(states_, name, &State::name);
    return found == states_.end() ? nullptr : &*found;
}

}  // namespace mta::outbound
