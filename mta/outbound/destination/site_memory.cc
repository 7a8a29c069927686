#include "mta/outbound/destination/site_memory.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

// What was in trouble is kept for this long after its next probe was due.
constexpr Millis trouble_counts_for{7'200'000};
constexpr Millis rate_counts_for{86'400'000};

bool is_used(const Site& site) { return !site.plan.key.empty(); }

bool is_outdated(const Hint& hint, Instant now) {
    const auto counts = [now](const std::optional<Instant>& at, Millis span) {
        return at && now - *at < span;
    };
    const bool is_rate_used = counts(hint.rates_taken.messages, rate_counts_for) ||
                              counts(hint.rates_taken.connections, rate_counts_for);
    const bool is_in_trouble = hint.trouble && now - hint.trouble->next_probe < trouble_counts_for;
    return !is_rate_used && !is_in_trouble && now - hint.last_answer >= answer_counts_for;
}

}  // namespace

SiteMemory::SiteMemory(const Sites& sites)
    : sites_(sites), answered_(limits::hosts_remembered_max, [](Instant) { return true; }) {}

void SiteMemory::restore(Hints hints) {
    for (auto& hint : hints) {
        if (hint.kind != Hint::Kind::site) continue;
        auto key = hint.key;
        hints_.insert_or_assign(std::move(key), std::move(hint));
    }
}

void SiteMemory::recall(Site& site, Instant now) {
    if (const auto known = hints_.extract(site.plan.key); !known.empty()) {
        const auto& hint = known.mapped();
        if (hint.trouble) site.destination.restore(*hint.trouble, now);
        site.destination.rates().restore(hint.rates_taken, now);
        site.last_answer = std::min(hint.last_answer, now);
    }
    if (const auto* answered = answered_.find(site.plan.key)) site.last_answer = *answered;
}

void SiteMemory::keep(const Site& site, Instant now) {
    if (site.has_answered_lately(now)) answered_.touch(site.plan.key) = site.last_answer;
}

void SiteMemory::add_hints(Hints& hints, Instant now) const {
    for (const auto handle : sites_.handles()) {
        if (hints.size() >= limits::hints_max) break;
        const auto& site = sites_[handle];
        if (!is_used(site)) continue;
        auto trouble = site.destination.health().trouble();
        const auto taken = site.destination.rates().last_taken(now);
        if (!trouble && taken.is_empty()) continue;
        hints.push_back(
            {Hint::Kind::site, site.plan.key, std::move(trouble), taken, site.last_answer});
    }
    // Mail for these has not been seen yet: old mail is still being loaded.
    for (const auto& [key, hint] : hints_) {
        if (hints.size() >= limits::hints_max) return;
        if (!is_outdated(hint, now)) hints.push_back(hint);
    }
}

void SiteMemory::add_answers(Hints& hints, Instant now) const {
    const auto add = [&](const std::string& key, Instant last_answer) {
        if (hints.size() < limits::hints_max && now - last_answer < answer_counts_for)
            hints.push_back({Hint::Kind::site, key, std::nullopt, {}, last_answer});
    };
    std::unordered_set<std::string_view> in_table;
    for (const auto handle : sites_.handles()) {
        const auto& site = sites_[handle];
        if (!is_used(site)) continue;
        in_table.insert(site.plan.key);
        if (!site.has_answered_lately(now)) continue;
        if (site.destination.health().is_up() &&
            site.destination.rates().last_taken(now).is_empty())
            add(site.plan.key, site.last_answer);
    }
    for (const auto& [key, last_answer] : answered_)
        if (!in_table.contains(key)) add(key, last_answer);
}

}  // namespace mta::outbound
