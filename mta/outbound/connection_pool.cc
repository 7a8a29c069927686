#include "mta/outbound/connection_pool.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

std::uint32_t ConnectionPool::open(std::uint32_t site, Connection::Target target) {
    const auto index = connections_.add();
    auto& held = connections_[index];
    held.site = site;
    ++sites_[site].connections;
    ++total_;
    held.connection = std::make_unique<Connection>(
        core_, std::move(target),
        Connection::Handlers{.on_ready = [this, index] { handlers_.on_ready(index); },
                             .on_room = [this, index] { handlers_.on_room(index); },
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
    const bool is_over = is_used_up(index) || !held.connection->can_start();
    if (is_over || core_.is_draining || site.connections > site.destination.limit()) {
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
    return held.connection->started() >= sites_[held.site].limits.messages_per_connection_max;
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
            rearm(index);
        }
    }
    for (const auto index : std::exchange(ended_, {})) connections_.remove(index);
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
    wheel_.clear(index);
    --sites_[held.site].connections;
    --total_;
    ended_.push_back(index);
    sites_.refresh(held.site);
    core_.request_tick();
}

void ConnectionPool::rearm(std::uint32_t index) {
    const auto& held = connections_[index];
    if (!held.connection || held.connection->has_ended()) return;
    auto deadline = held.connection->deadline();
    if (held.is_idle) deadline = std::min(deadline.value_or(Instant::max()), held.idle_until);
    if (deadline) {
        wheel_.set(index, *deadline);
    } else {
        wheel_.clear(index);
    }
}

}  // namespace mta::outbound
