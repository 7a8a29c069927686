#include "mta/outbound/operators/queue_sweeper.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <utility>
#include <variant>

#include "queue/queue_walk.h"

namespace mta::outbound {
namespace {

Trouble trouble_of(const queue::MessageTable& table, const queue::RecipientEntry& recipient) {
    if (recipient.phase == queue::RecipientPhase::held) return Trouble::held;
    if (recipient.is_in_doubt) return Trouble::in_doubt;
    if (!recipient.error) return Trouble::none;
    switch (table.error_scope(recipient)) {
        case Scope::domain: return Trouble::dns;
        case Scope::host: return Trouble::connection;
        case Scope::recipient:
        case Scope::message: break;
    }
    return Trouble::refused;
}

// A site, or a domain that has none.
struct Place {
    std::variant<queue::DomainHandle, queue::SiteHandle> what;
    Depth depth;
};

// The first `count` are those with the most mail, the next with the oldest. Returns their number.
std::size_t sort_out(std::vector<Place>& places, std::size_t count) {
    const auto deepest = std::min(count, places.size());
    const auto middle = places.begin() + static_cast<std::ptrdiff_t>(deepest);
    std::partial_sort(places.begin(), middle, places.end(), [](const Place& a, const Place& b) {
        return a.depth.recipients > b.depth.recipients;
    });
    const auto oldest = std::min(count, places.size() - deepest);
    std::partial_sort(
        middle, middle + static_cast<std::ptrdiff_t>(oldest), places.end(),
        [](const Place& a, const Place& b) { return a.depth.oldest < b.depth.oldest; });
    return deepest + oldest;
}

}  // namespace

void QueueSweeper::sweep(QueueSweep& sweep, std::size_t messages_max) const {
    const auto& table = parts_.table;
    sweep.domains.resize(table.domain_index_end());
    sweep.next =
        queue::visit_slice(table, sweep.next, messages_max, [&](queue::MessageHandle message) {
            const auto& entry = table.message(message);
            for (const auto& recipient : table.recipients(message)) {
                if (!recipient.is_open()) continue;
                auto& depth = sweep.domains[recipient.domain.index()];
                ++depth.recipients;
                depth.oldest = std::min<Instant>(depth.oldest, entry.arrival);
                ++depth.by_trouble[static_cast<std::size_t>(trouble_of(table, recipient))];
            }
            return true;
        });
    sweep.is_done = sweep.next >= table.message_index_end();
}

DepthSummary QueueSweeper::summarize(const QueueSweep& sweep, std::size_t count) const {
    const auto& table = parts_.table;
    const auto& sites = parts_.sites;
    std::vector<Place> places;
    std::unordered_map<queue::SiteHandle, std::size_t> place_of_site;
    for (const auto domain : table.domains()) {
        if (domain.index() >= sweep.domains.size()) break;
        const auto& depth = sweep.domains[domain.index()];
        if (depth.recipients == 0 || table.domain(domain).name.empty()) continue;
        const auto site = parts_.router.view(domain).site;
        if (!site || !sites.is_used(site)) {
            places.push_back({.what = domain, .depth = depth});
            continue;
        }
        const auto [place, is_new] = place_of_site.try_emplace(site, places.size());
        if (is_new) places.push_back({.what = site});
        places[place->second].depth.add(depth);
    }
    DepthSummary summary;
    const auto shown = sort_out(places, count);
    std::size_t connections = 0;
    for (const auto& place : std::span(places).first(shown)) {
        DestinationDepth destination{.depth = place.depth};
        if (const auto* const site = std::get_if<queue::SiteHandle>(&place.what)) {
            destination.view = parts_.destinations.view_of(*site);
        } else {
            destination.view.name = table.domain(std::get<queue::DomainHandle>(place.what)).name;
        }
        connections += destination.view.connections;
        summary.destinations.push_back(std::move(destination));
    }
    for (const auto& place : std::span(places).subspan(shown))
        summary.others.depth.add(place.depth);
    summary.others_count = places.size() - shown;
    const std::size_t all_connections = parts_.attempts.pool().total();
    summary.others.view.connections = all_connections - std::min(all_connections, connections);
    return summary;
}

}  // namespace mta::outbound
