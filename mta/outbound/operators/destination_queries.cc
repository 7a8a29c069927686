#include "mta/outbound/operators/destination_queries.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace mta::outbound {
namespace {

bool is_down(const Site& site) { return !site.destination.health().is_up(); }

bool is_busy(const Site& site) {
    const auto& destination = site.destination;
    return destination.waiting() > 0 || destination.delivering() > 0 || site.connections > 0 ||
           is_down(site);
}

bool is_before_by_name(const Site& a, const Site& b) { return a.plan.name < b.plan.name; }

bool is_worse(const Site& a, const Site& b) {
    const auto measure = [](const Site& site) {
        return std::pair(-static_cast<std::int64_t>(site.destination.waiting()),
                         site.destination.health().down_since());
    };
    return measure(a) < measure(b);
}

}  // namespace

DestinationList DestinationQueries::busy(std::size_t limit) const {
    return list(is_busy, is_before_by_name, limit);
}

DestinationList DestinationQueries::in_trouble(std::size_t limit) const {
    return list(is_down, is_worse, limit);
}

std::size_t DestinationQueries::down_count() const {
    std::size_t count = 0;
    for (const auto site : parts_.sites.handles()) {
        if (parts_.sites.is_used(site) && is_down(parts_.sites[site])) ++count;
    }
    return count;
}

// Only those that are shown are copied: there may be a hundred thousand others.
DestinationList DestinationQueries::list(bool (*is_meant)(const Site&),
                                         bool (*is_before)(const Site&, const Site&),
                                         std::size_t limit) const {
    std::vector<queue::SiteHandle> found;
    for (const auto handle : parts_.sites.handles()) {
        if (parts_.sites.is_used(handle) && is_meant(parts_.sites[handle])) found.push_back(handle);
    }
    DestinationList list{.views = {}, .count = found.size()};
    const auto shown = std::min(limit, found.size());
    std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(shown),
                              [&](queue::SiteHandle a, queue::SiteHandle b) {
                                  return is_before(parts_.sites[a], parts_.sites[b]);
                              });
    for (std::size_t i = 0; i < shown; ++i) list.views.push_back(view_of(found[i]));
    return list;
}

std::optional<DomainView> DestinationQueries::domain(const std::string& name) const {
    const auto& table = parts_.table;
    const auto domain = table.find_domain(name);
    if (!domain || table.domain(domain).recipients == 0) return std::nullopt;
    DomainView view;
    view.domain = name;
    view.is_static_route = parts_.router.is_static(domain);
    view.recipients = table.domain(domain).recipients;
    const auto routed = parts_.router.view(domain);
    if (routed.site) {
        view.destination = parts_.sites[routed.site].plan.name;
        view.site = view_of(routed.site);
    }
    if (routed.health != nullptr && !routed.health->is_up()) {
        view.dns_down_since = routed.health->down_since();
        view.next_look_up = routed.health->next_probe();
        view.dns_error = routed.health->last_error();
    }
    return view;
}

DestinationView DestinationQueries::view_of(queue::SiteHandle handle) const {
    const auto& site = parts_.sites[handle];
    const auto& destination = site.destination;
    const auto& health = destination.health();
    DestinationView view{.name = site.plan.name,
                         .source = site.plan.source,
                         .waiting = destination.waiting(),
                         .delivering = destination.delivering(),
                         .connections = site.connections,
                         .connections_limit = site.connections_limit(parts_.context.now()),
                         .down_since = health.down_since(),
                         .next_probe = health.next_probe(),
                         .opens_at = std::nullopt,
                         .last_error = std::nullopt,
                         .unwell = {},
                         .suspended = {}};
    if (!health.is_up()) view.last_error = health.last_error();
    if (destination.is_closed()) view.opens_at = site.hours.next_begin();
    for (const auto& known : site.addresses) {
        if (auto trouble = parts_.addresses.trouble(known.endpoint))
            view.unwell.push_back({known.host, to_string(known.endpoint), trouble->down_since,
                                   trouble->next_probe, std::move(trouble->error)});
    }
    for (auto& suspension : site.sources.suspensions(parts_.context.now()))
        view.suspended.push_back(
            {std::move(suspension.source), suspension.until, std::move(suspension.error)});
    return view;
}

}  // namespace mta::outbound
