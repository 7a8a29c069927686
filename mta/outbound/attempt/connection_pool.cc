#include "mta/outbound/attempt/connection_pool.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

std::uint32_t ConnectionPool::open(std::uint32_t site, Connection::Target target,
                                   HostLimits::HostPtr host) {
    const auto index = connections_.add();
    auto& held = connections_[index];
    held.site = site;
    held.peer = {.host = std::move(host),
                 .attempt = addresses_.begin(target.endpoint, core_.now())};
    held.peer.epoch = held.peer.host->concurrency.epoch();
    ++held.peer.host->connections;
    ++sites_[site].connections;
    ++total_;
    held.connection = std::make_unique<Connection>(
        core_, std::move(target),
        Connection::Handlers{.on_ready = [this, index] { handlers_.on_ready(index); },
                             .on_room = [this, index] { handlers_.on_room(index); },
                             .on_body_out = [this, index] { handlers_.on_body_out(index); },
                             .on_transaction_end =
                                 [this, index](Connection::TransactionEnd end) {
                                     handlers_.on_transaction_end(index, std::move(end));
                                 },
                             .on_end =
                                 [this, index](const std::optional<DeliveryError>& error) {
                                     release(index);
                                     handlers_.on_end(index, error);
                                 },
                             .on_deadline_change = [this, index] { rearm(index); }});
    rearm(index);
    return index;
}

std::uint32_t ConnectionPool::take_idle(std::uint32_t site) {
    auto& idle = sites_[site].idle;
    if (idle.empty()) return queue::nothing;
    const auto index = idle.back();
    take_out_of_idle(index);
    return index;
}

void ConnectionPool::park(std::uint32_t index) {
    auto& held = connections_[index];
    MTA_ASSERT(!held.is_idle && held.connection->active() == 0);
    auto& site = sites_[held.site];
    const auto& delivery = core_.settings->delivery;
    const bool is_over =
        is_used_up(index) || !held.connection->can_start() || site.destination.is_closed();
    if (is_over || core_.is_draining || site.connections > site.connections_limit(core_.now())) {
        held.connection->quit();
        return;
    }
    held.is_idle = true;
    held.idle_until = core_.now() + delivery.idle_timeout;
    held.in_idle = idle_.insert(idle_.end(), index);
    site.idle.push_back(index);
    rearm(index);
}

bool ConnectionPool::is_used_up(std::uint32_t index) const {
    const auto& held = connections_[index];
    const auto& site = sites_[held.site];
    return held.connection->started() >= site.limits.messages_per_connection_max ||
           site.sources.is_suspended(held.connection->target().source, core_.now());
}

// The address is up. From now on it is no probe, and what fails afterwards began now.
void ConnectionPool::note_hello(std::uint32_t index) {
    auto& held = connections_[index];
    if (addresses_.succeeded(held.peer.attempt, core_.now())) ++core_.troubles_version;
    held.peer.attempt = addresses_.begin(held.peer.attempt.endpoint, core_.now());
}

void ConnectionPool::note_success(std::uint32_t index) {
    const auto& held = connections_[index];
    note_hello(index);
    sites_[held.site].sources.accept(held.connection->target().source, core_.now());
    const auto before = HostLimits::connections_limit(*held.peer.host);
    HostLimits::note_success(*held.peer.host, core_.now());
    if (HostLimits::connections_limit(*held.peer.host) > before)
        handlers_.on_host_room(held.peer.host);
}

void ConnectionPool::note_failure(std::uint32_t index, const DeliveryError& error) {
    auto& held = connections_[index];
    auto& host = *held.peer.host;
    // This one may have been taken out of the count already.
    const auto in_use = host.connections + (held.connection->has_ended() ? 1 : 0);
    host.concurrency.on_failure(in_use, held.peer.epoch);
    if (std::exchange(held.is_judged, true)) return;
    const bool is_static = sites_[held.site].plan.is_static;
    addresses_.failed(held.peer.attempt, {error, is_static, core_.scheduler.jitter()}, core_.now());
    ++core_.troubles_version;
}

void ConnectionPool::note_break(std::uint32_t index, const DeliveryError& error) {
    auto& held = connections_[index];
    if (std::exchange(held.is_judged, true)) return;
    const bool is_static = sites_[held.site].plan.is_static;
    const AddressHealth::Failure failure{error, is_static, core_.scheduler.jitter()};
    if (addresses_.failed(held.peer.attempt, failure, core_.now())) ++core_.troubles_version;
}

void ConnectionPool::note_too_many(std::uint32_t index) {
    const auto& held = connections_[index];
    auto& host = *held.peer.host;
    const auto others = host.connections - (held.connection->has_ended() ? 0 : 1);
    HostLimits::note_too_many(host, others, core_.now(), core_.scheduler.jitter());
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
    const auto index = idle_.front();
    take_out_of_idle(index);
    connections_[index].connection->quit();
    return true;
}

void ConnectionPool::close_idle() {
    while (close_longest_idle()) {
    }
}

void ConnectionPool::close_idle(std::uint32_t site) {
    const auto idle = sites_[site].idle;
    for (const auto index : idle) {
        take_out_of_idle(index);
        connections_[index].connection->quit();
    }
}

void ConnectionPool::close_idle_to(const HostLimits::Host& host) {
    const auto found = std::ranges::find_if(
        idle_, [&](std::uint32_t index) { return connections_[index].peer.host.get() == &host; });
    if (found == idle_.end()) return;
    const auto index = *found;
    take_out_of_idle(index);
    connections_[index].connection->quit();
}

void ConnectionPool::close_idle_from(std::uint32_t site, std::string_view source) {
    for (const auto index : std::vector(sites_[site].idle)) {
        if (connections_[index].connection->target().source != source) continue;
        take_out_of_idle(index);
        connections_[index].connection->quit();
    }
}

void ConnectionPool::cut(std::uint32_t index) {
    auto& held = connections_[index];
    if (!held.connection->has_ended()) held.connection->cut();
}

void ConnectionPool::abort(std::uint32_t index) {
    auto& held = connections_[index];
    if (held.connection->has_ended()) return;
    held.connection->abort();
    release(index);
}

void ConnectionPool::tick() {
    fired_.clear();
    wheel_.advance(core_.now(), fired_);
    for (const auto index : fired_) {
        auto& held = connections_[index];
        if (!held.connection || held.connection->has_ended()) continue;
        if (held.is_idle && core_.now() >= held.idle_until) {
            take_out_of_idle(index);
            held.connection->quit();
        } else {
            held.connection->on_deadline();
            begin_silence_if_due(index);
            rearm(index);
        }
    }
    for (const auto index : std::exchange(ended_, {})) {
        const auto& held = connections_[index];
        if (!held.is_judged) addresses_.learnt_nothing(held.peer.attempt, core_.now());
        connections_.remove(index);
    }
}

std::optional<Instant> ConnectionPool::next_wakeup() const { return wheel_.next(); }

void ConnectionPool::take_out_of_idle(std::uint32_t index) {
    auto& held = connections_[index];
    if (!std::exchange(held.is_idle, false)) return;
    idle_.erase(held.in_idle);
    std::erase(sites_[held.site].idle, index);
    rearm(index);
}

void ConnectionPool::release(std::uint32_t index) {
    auto& held = connections_[index];
    take_out_of_idle(index);
    end_silence(held);
    wheel_.clear(index);
    --held.peer.host->connections;
    handlers_.on_host_room(held.peer.host);
    --sites_[held.site].connections;
    --total_;
    if (std::exchange(held.makes_room, false)) --making_room_;
    ended_.push_back(index);
    sites_.refresh(held.site);
    core_.request_tick();
}

void ConnectionPool::begin_silence_if_due(std::uint32_t index) {
    auto& held = connections_[index];
    const auto since = held.connection->silent_since();
    if (held.silence || !since || core_.now() - *since < SilentConnections::silence_min) return;
    auto& site = sites_[held.site];
    auto& host = *held.peer.host;
    held.silence = Held::Silence{*since, site.silent.add(site.last_answer > *since),
                                 host.silent.add(host.last_answer > *since)};
    handlers_.on_silent(index);
    handlers_.on_host_room(held.peer.host);
    sites_.refresh(held.site);
}

void ConnectionPool::end_silence(Held& held) {
    if (!held.silence) return;
    sites_[held.site].silent.remove(held.silence->of_site);
    held.peer.host->silent.remove(held.silence->of_host);
    held.silence.reset();
}

void ConnectionPool::rearm(std::uint32_t index) {
    auto& held = connections_[index];
    if (!held.connection || held.connection->has_ended()) return;
    const auto silent_since = held.connection->silent_since();
    if (held.silence && silent_since != held.silence->since) end_silence(held);
    auto deadline = held.connection->deadline();
    if (held.is_idle) deadline = std::min(deadline.value_or(Instant::max()), held.idle_until);
    if (silent_since && !held.silence)
        deadline = std::min(deadline.value_or(Instant::max()),
                            *silent_since + SilentConnections::silence_min);
    if (deadline) {
        wheel_.set(index, *deadline);
    } else {
        wheel_.clear(index);
    }
}

}  // namespace mta::outbound
