#include "mta/outbound/attempt/connection_pool.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

ConnectionHandle ConnectionPool::open(queue::SiteHandle site, Connection::Target target,
                                      HostLimits::HostPtr host) {
    const auto handle = connections_.add();
    auto& held = connections_[handle];
    held.site = site;
    held.peer = {.host = std::move(host),
                 .attempt = addresses_.begin(target.endpoint, context_.now())};
    held.peer.epoch = held.peer.host->concurrency.epoch();
    ++held.peer.host->connections;
    ++sites_[site].connections;
    ++total_;
    held.connection = std::make_unique<Connection>(
        context_, connection_parts_, std::move(target),
        Connection::Handlers{.on_ready = [this, handle] { handlers_.on_ready(handle); },
                             .on_room = [this, handle] { handlers_.on_room(handle); },
                             .on_body_out = [this, handle] { handlers_.on_body_out(handle); },
                             .on_transaction_end =
                                 [this, handle](Connection::TransactionEnd end) {
                                     handlers_.on_transaction_end(handle, std::move(end));
                                 },
                             .on_end =
                                 [this, handle](const std::optional<DeliveryError>& error) {
                                     release(handle);
                                     handlers_.on_end(handle, error);
                                 },
                             .on_deadline_change = [this, handle] { rearm(handle); }});
    rearm(handle);
    return handle;
}

ConnectionHandle ConnectionPool::take_idle(queue::SiteHandle site) {
    auto& idle = sites_[site].idle;
    if (idle.empty()) return {};
    const auto handle = idle.back();
    take_out_of_idle(handle);
    return handle;
}

void ConnectionPool::park(ConnectionHandle handle) {
    auto& held = connections_[handle];
    MTA_ASSERT(!held.is_idle && held.connection->active() == 0);
    auto& site = sites_[held.site];
    const auto& delivery = context_.settings().delivery;
    const bool is_over =
        is_used_up(handle) || !held.connection->can_start() || site.destination.is_closed();
    if (is_over || context_.is_draining() ||
        site.connections > site.connections_limit(context_.now())) {
        held.connection->quit();
        return;
    }
    held.is_idle = true;
    held.idle_until = context_.now() + delivery.idle_timeout;
    held.in_idle = idle_.insert(idle_.end(), handle);
    site.idle.push_back(handle);
    rearm(handle);
}

bool ConnectionPool::is_used_up(ConnectionHandle handle) const {
    const auto& held = connections_[handle];
    const auto& site = sites_[held.site];
    return held.connection->started() >= site.limits.messages_per_connection_max ||
           site.sources.is_suspended(held.connection->target().source, context_.now());
}

// The address is up. From now on it is no probe, and what fails afterwards began now.
void ConnectionPool::note_hello(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (addresses_.succeeded(held.peer.attempt, context_.now())) context_.note_trouble();
    held.peer.attempt = addresses_.begin(held.peer.attempt.endpoint, context_.now());
}

void ConnectionPool::note_success(ConnectionHandle handle) {
    const auto& held = connections_[handle];
    note_hello(handle);
    sites_[held.site].sources.accept(held.connection->target().source, context_.now());
    const auto before = HostLimits::connections_limit(*held.peer.host);
    HostLimits::note_success(*held.peer.host, context_.now());
    if (HostLimits::connections_limit(*held.peer.host) > before)
        handlers_.on_host_room(held.peer.host);
}

void ConnectionPool::note_failure(ConnectionHandle handle, const DeliveryError& error) {
    auto& held = connections_[handle];
    auto& host = *held.peer.host;
    // This one may have been taken out of the count already.
    const auto in_use = host.connections + (held.connection->has_ended() ? 1 : 0);
    host.concurrency.on_failure({.in_use = in_use, .epoch_at_start = held.peer.epoch});
    if (std::exchange(held.is_judged, true)) return;
    const bool is_static = sites_[held.site].plan.is_static;
    addresses_.failed(held.peer.attempt, {error, is_static, scheduler_.jitter()}, context_.now());
    context_.note_trouble();
}

void ConnectionPool::note_break(ConnectionHandle handle, const DeliveryError& error) {
    auto& held = connections_[handle];
    if (std::exchange(held.is_judged, true)) return;
    const bool is_static = sites_[held.site].plan.is_static;
    const AddressHealth::Failure failure{error, is_static, scheduler_.jitter()};
    if (addresses_.failed(held.peer.attempt, failure, context_.now())) context_.note_trouble();
}

void ConnectionPool::note_too_many(ConnectionHandle handle) {
    const auto& held = connections_[handle];
    auto& host = *held.peer.host;
    const auto others = host.connections - (held.connection->has_ended() ? 0 : 1);
    HostLimits::note_too_many(host, others, context_.now(), scheduler_.jitter());
}

// One takes its place until its QUIT is answered: who asks again meanwhile waits for the same one.
void ConnectionPool::make_room(std::size_t wanted) {
    while (making_room_ < wanted && !idle_.empty()) {
        connections_[idle_.front()].makes_room = true;
        ++making_room_;
        close_longest_idle();
    }
}

bool ConnectionPool::close_longest_idle() {
    if (idle_.empty()) return false;
    const auto handle = idle_.front();
    take_out_of_idle(handle);
    connections_[handle].connection->quit();
    return true;
}

void ConnectionPool::close_idle() {
    while (close_longest_idle()) {
    }
}

void ConnectionPool::close_idle(queue::SiteHandle site) {
    const auto idle = sites_[site].idle;
    for (const auto handle : idle) {
        take_out_of_idle(handle);
        connections_[handle].connection->quit();
    }
}

void ConnectionPool::close_idle_to(const HostLimits::Host& host) {
    const auto found = std::ranges::find_if(idle_, [&](ConnectionHandle handle) {
        return connections_[handle].peer.host.get() == &host;
    });
    if (found == idle_.end()) return;
    const auto handle = *found;
    take_out_of_idle(handle);
    connections_[handle].connection->quit();
}

void ConnectionPool::close_idle_from(queue::SiteHandle site, std::string_view source) {
    for (const auto handle : std::vector(sites_[site].idle)) {
        if (connections_[handle].connection->target().source != source) continue;
        take_out_of_idle(handle);
        connections_[handle].connection->quit();
    }
}

void ConnectionPool::cut(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (!held.connection->has_ended()) held.connection->cut();
}

void ConnectionPool::abort(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (held.connection->has_ended()) return;
    held.connection->abort();
    release(handle);
}

void ConnectionPool::tick() {
    for (const auto handle : timers_.advance(context_.now())) {
        auto& held = connections_[handle];
        if (!held.connection || held.connection->has_ended()) continue;
        if (held.is_idle && context_.now() >= held.idle_until) {
            take_out_of_idle(handle);
            held.connection->quit();
        } else {
            held.connection->on_deadline();
            begin_silence_if_due(handle);
            rearm(handle);
        }
    }
    for (const auto handle : std::exchange(ended_, {})) {
        const auto& held = connections_[handle];
        if (!held.is_judged) addresses_.learnt_nothing(held.peer.attempt, context_.now());
        connections_.remove(handle);
    }
}

std::optional<Instant> ConnectionPool::next_wakeup() const { return timers_.next(); }

void ConnectionPool::take_out_of_idle(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (!std::exchange(held.is_idle, false)) return;
    idle_.erase(held.in_idle);
    std::erase(sites_[held.site].idle, handle);
    rearm(handle);
}

void ConnectionPool::release(ConnectionHandle handle) {
    auto& held = connections_[handle];
    take_out_of_idle(handle);
    end_silence(held);
    timers_.clear(handle);
    --held.peer.host->connections;
    handlers_.on_host_room(held.peer.host);
    --sites_[held.site].connections;
    --total_;
    if (std::exchange(held.makes_room, false)) --making_room_;
    ended_.push_back(handle);
    sites_.refresh(held.site);
    context_.request_tick();
}

void ConnectionPool::begin_silence_if_due(ConnectionHandle handle) {
    auto& held = connections_[handle];
    const auto since = held.connection->silent_since();
    if (held.silence || !since || context_.now() - *since < SilentConnections::silence_min) return;
    auto& site = sites_[held.site];
    auto& host = *held.peer.host;
    held.silence = Held::Silence{*since, site.silent.add(site.last_answer > *since),
                                 host.silent.add(host.last_answer > *since)};
    handlers_.on_silent(handle);
    handlers_.on_host_room(held.peer.host);
    sites_.refresh(held.site);
}

void ConnectionPool::end_silence(Held& held) {
    if (!held.silence) return;
    sites_[held.site].silent.remove(held.silence->of_site);
    held.peer.host->silent.remove(held.silence->of_host);
    held.silence.reset();
}

void ConnectionPool::rearm(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (!held.connection || held.connection->has_ended()) return;
    const auto silent_since = held.connection->silent_since();
    if (held.silence && silent_since != held.silence->since) end_silence(held);
    auto deadline = held.connection->deadline();
    if (held.is_idle) deadline = std::min(deadline.value_or(Instant::max()), held.idle_until);
    if (silent_since && !held.silence)
        deadline = std::min(deadline.value_or(Instant::max()),
                            *silent_since + SilentConnections::silence_min);
    if (deadline) {
        timers_.set(handle, *deadline);
    } else {
        timers_.clear(handle);
    }
}

}  // namespace mta::outbound
