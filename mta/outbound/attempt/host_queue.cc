#include "mta/outbound/attempt/host_queue.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

// The closure that ends first is at the front of the heap.
const auto ends_later = [](const auto& a, const auto& b) { return a.first > b.first; };

}  // namespace

void HostQueue::enter(queue::SiteHandle site, Entrant entrant, Instant now) {
    const auto [place, is_new] =
        entries_.emplace(site, Entry{entrant.attempt, std::move(entrant.host)});
    MTA_ASSERT(is_new);
    auto& host = place->second.host;
    host->line.push_back(site);
    set_expiry(site, entrant.expires_at);
    end_service(host, now);
}

void HostQueue::leave(queue::SiteHandle site) {
    const auto found = entries_.find(site);
    if (found == entries_.end()) return;
    const auto host = std::move(found->second.host);
    entries_.erase(found);
    expiries_.clear(site);
    std::erase(host->line, site);
    // It may have been the only one that would be called: now the next one is.
    look_at(host);
}

const HostQueue::Entry* HostQueue::find(queue::SiteHandle site) const {
    const auto found = entries_.find(site);
    return found == entries_.end() ? nullptr : &found->second;
}

void HostQueue::set_expiry(queue::SiteHandle site, Instant expires_at) {
    if (expires_at == Instant::max()) {
        expiries_.clear(site);
    } else {
        expiries_.set(site, expires_at);
    }
}

std::vector<queue::SiteHandle> HostQueue::sites() const {
    std::vector<queue::SiteHandle> sites;
    for (const auto& [site, entry] : entries_) sites.push_back(site);
    return sites;
}

void HostQueue::look_at(HostPtr host) {
    if (host->line.empty()) return;
    to_look_at_.push_back(std::move(host));
    request_tick_();
}

std::vector<HostQueue::HostPtr> HostQueue::take_hosts(Instant now) {
    while (!closures_.empty() && closures_.front().first <= now) {
        std::ranges::pop_heap(closures_, ends_later);
        if (auto host = closures_.back().second.lock()) to_look_at_.push_back(std::move(host));
        closures_.pop_back();
    }
    return std::exchange(to_look_at_, {});
}

AttemptHandle HostQueue::first_at(const HostLimits::Host& host, Instant now) const {
    if (host.line.empty() || !HostLimits::has_room(host, now)) return {};
    return entries_.at(host.line.front()).attempt;
}

// A host that was closed while attempts waited for a connection of it to end calls them when it is
// open again.
void HostQueue::end_service(const HostPtr& host, Instant now) {
    if (host->line.empty() || host->closed_until <= now) return;
    closures_.emplace_back(host->closed_until, host);
    std::ranges::push_heap(closures_, ends_later);
}

std::vector<queue::SiteHandle> HostQueue::take_expired(Instant now) {
    const auto& expired = expiries_.advance(now);
    return {expired.begin(), expired.end()};
}

std::optional<Instant> HostQueue::next_wakeup() const {
    auto next = expiries_.next();
    if (!closures_.empty()) next = std::min(next.value_or(Instant::max()), closures_.front().first);
    return next;
}

std::string HostQueue::check(Instant now) const {
    for (const auto& [site, entry] : entries_) {
        const auto& host = *entry.host;
        const auto number = std::to_string(site.index());
        if (std::ranges::count(host.line, site) != 1)
            return "site " + number + " is not in the queue of " + host.name;
        if (!to_look_at_.empty()) continue;
        if (HostLimits::has_room(host, now) && host.closed_until != now)
            return "site " + number + " waits for " + host.name + ", which has room";
        if (host.connections + host.called == 0 && host.closed_until < now)
            return "site " + number + " waits for " + host.name + ", and nothing calls it";
    }
    return {};
}

}  // namespace mta::outbound
