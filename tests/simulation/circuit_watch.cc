#include "tests/simulation/circuit_watch.h"

#include <algorithm>
#include <cstdint>
#include <ranges>
#include <utility>

#include <gtest/gtest.h>

namespace simulation {
namespace {

using namespace mta::outbound;

constexpr std::size_t attempts_max = 50;

// A group of servers has the name of its first host.
bool leads_to(const std::string& site, const std::string& group) {
    return site.contains(group == "branch.example" ? "10.0.0.1:25" : "mx1." + group);
}

bool is_delivering(const QueueManager& manager, queue::MessageId id) {
    const auto message = manager.desk().find(id);
    return message && std::ranges::any_of(message->recipients, [](const RecipientView& recipient) {
               return recipient.state == ViewState::delivering;
           });
}

}  // namespace

void CircuitWatch::start(mta::Instant now, const Hints& hints) {
    started_ = now;
    restored_.clear();
    for (const auto& hint : hints)
        if (hint.kind == Hint::Kind::site && hint.trouble) restored_.push_back(hint.key);
    last_at_start_ = connector_.last();
    has_changed_ = false;
    down_.clear();
    started_attempts_.clear();
}

void CircuitWatch::note(const mta::events::Event& event) {
    using namespace mta::events;
    if (const auto* begun = std::get_if<AttemptStarted>(&event)) {
        const auto& site = begun->destination;
        if (down_.contains(site)) return;
        auto& attempts = started_attempts_[site];
        attempts.push_back(begun->id);
        // attempts_max is more than can be under way at a time.
        if (attempts.size() > attempts_max) attempts.pop_front();
    } else if (std::holds_alternative<DestinationDown>(event) ||
               std::holds_alternative<DestinationUp>(event)) {
        has_changed_ = true;
    }
}

void CircuitWatch::check(const QueueManager& manager) {
    // Only a group with a new connection can have too many.
    std::set<std::string> groups;
    const auto& in_use = connector_.in_use_by_id;
    for (auto each = in_use.upper_bound(last_checked_); each != in_use.end(); ++each)
        if (may_be_down(each->second)) groups.insert(each->second);
    last_checked_ = connector_.last();
    if (!std::exchange(has_changed_, false) && groups.empty()) return;
    const auto in_trouble = manager.desk().destinations_in_trouble(SIZE_MAX).views;
    std::set<std::string> names;
    for (const auto& site : in_trouble) {
        names.insert(site.name);
        look(manager, site);
    }
    std::erase_if(down_, [&](const auto& known) { return !names.contains(known.first); });
    for (const auto& group : groups) check_group(manager, group);
}

bool CircuitWatch::may_be_down(const std::string& group) const {
    const auto leads = [&](const std::string& site) { return leads_to(site, group); };
    return std::ranges::any_of(down_ | std::views::keys, leads) ||
           std::ranges::any_of(restored_, leads);
}

void CircuitWatch::look(const QueueManager& manager, const DestinationView& site) {
    const auto known = down_.find(site.name);
    if (known != down_.end() && known->second.down_since == *site.down_since) return;
    // A destination that was down in the last process counts as down from the start.
    Circuit circuit{*site.down_since, last_checked_, {}};
    if (*site.down_since < started_) circuit.last_before = last_at_start_;
    for (const auto id : started_attempts_[site.name])
        if (is_delivering(manager, id)) circuit.under_way.insert(id);
    started_attempts_.erase(site.name);
    down_.insert_or_assign(site.name, std::move(circuit));
}

void CircuitWatch::check_group(const QueueManager& manager, const std::string& group) {
    ConnectId last_before = 0;
    std::size_t allowed = 0;
    for (auto& [site, circuit] : down_) {
        if (!leads_to(site, group)) continue;
        std::erase_if(circuit.under_way,
                      [&](queue::MessageId id) { return !is_delivering(manager, id); });
        last_before = std::max(last_before, circuit.last_before);
        allowed += 1 + circuit.under_way.size();
    }
    if (allowed == 0) return;
    const auto open = std::ranges::count_if(connector_.in_use_by_id, [&](const auto& each) {
        return each.first > last_before && each.second == group;
    });
    if (static_cast<std::size_t>(open) <= allowed) return;
    // Each destination has its own probe, and a working one may lead to the same host.
    for (const auto& site : manager.desk().busy_destinations(SIZE_MAX).views)
        if (leads_to(site.name, group) && !site.down_since) return;
    ADD_FAILURE() << group << " is down, and probed by " << open << " at a time";
}

}  // namespace simulation
