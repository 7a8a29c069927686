#include "tests/simulation/circuit_watch.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace simulation {
namespace {

using namespace mta::outbound;

// A server's group is named like its first host.
bool leads_to(const std::string& site, const std::string& group) {
    return site.contains(group == "branch.example" ? "10.0.0.1:25" : "mx1." + group);
}

bool is_delivering(const QueueManager& manager, queue::MessageId id) {
    const auto message = manager.find(id);
    return message && std::ranges::any_of(message->recipients, [](const RecipientView& recipient) {
               return recipient.state == ViewState::delivering;
           });
}

}  // namespace

void CircuitWatch::start(mta::Instant now) {
    started_ = now;
    last_at_start_ = connector_.last();
    has_changed_ = false;
    down_.clear();
    started_attempts_.clear();
}

void CircuitWatch::note(const DeliveryEvent& event) {
    if (const auto* begun = std::get_if<AttemptStarted>(&event)) {
        const std::string site(begun->destination);
        if (!down_.contains(site)) started_attempts_[site].insert(begun->id);
    } else if (std::holds_alternative<DestinationDown>(event) ||
               std::holds_alternative<DestinationUp>(event)) {
        has_changed_ = true;
    }
}

void CircuitWatch::check(const QueueManager& manager) {
    const bool has_connected = connector_.last() != last_checked_;
    if (!has_changed_ && !has_connected) return;
    has_changed_ = false;
    last_checked_ = connector_.last();
    sites_.clear();
    for (const auto& site : manager.destinations()) {
        sites_.push_back(site.name);
        if (auto& attempts = started_attempts_[site.name]; attempts.size() > 50)
            std::erase_if(attempts,
                          [&](queue::MessageId id) { return !is_delivering(manager, id); });
        look(manager, site);
    }
    std::set<std::string> groups;
    for (const auto& [id, group] : connector_.in_use_by_id) groups.insert(group);
    for (const auto& group : groups) check_group(manager, group);
}

void CircuitWatch::look(const QueueManager& manager, const DestinationView& site) {
    const auto known = down_.find(site.name);
    if (!site.down_since) {
        if (known != down_.end()) down_.erase(known);
        return;
    }
    if (known != down_.end() && known->second.down_since == *site.down_since) return;
    // What a former process knew counts from the beginning.
    Circuit circuit{*site.down_since, last_checked_, {}};
    if (*site.down_since < started_) circuit.last_before = last_at_start_;
    for (const auto id : started_attempts_[site.name])
        if (is_delivering(manager, id)) circuit.under_way.insert(id);
    started_attempts_.erase(site.name);
    down_.insert_or_assign(site.name, std::move(circuit));
}

// Only if all destinations that lead there are down: each has a probe of its own.
void CircuitWatch::check_group(const QueueManager& manager, const std::string& group) {
    ConnectId last_before = 0;
    std::size_t allowed = 0;
    for (const auto& site : sites_) {
        if (!leads_to(site, group)) continue;
        const auto found = down_.find(site);
        if (found == down_.end()) return;
        auto& circuit = found->second;
        std::erase_if(circuit.under_way,
                      [&](queue::MessageId id) { return !is_delivering(manager, id); });
        last_before = std::max(last_before, circuit.last_before);
        allowed += 1 + circuit.under_way.size();
    }
    if (allowed == 0) return;
    const auto open = std::ranges::count_if(connector_.in_use_by_id, [&](const auto& each) {
        return each.first > last_before && each.second == group;
    });
    if (open > 0) ++probes_seen_;
    EXPECT_LE(static_cast<std::size_t>(open), allowed)
        << group << " is down, and probed by more than one at a time";
}

}  // namespace simulation
