#include "mta/outbound/deliveries.h"

#include <algorithm>
#include <utility>

#include "dns/mx_plan.h"
#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

constexpr std::uint32_t sessions_max = 2;
// A kept connection that was gone, and a BDAT that was not understood: neither can come twice.
constexpr std::uint32_t fresh_starts_max = 3;

}  // namespace

Deliveries::Deliveries(Core& core, Parts parts)
    : core_(core),
      parts_(parts),
      pool_(core, parts.sites,
            {.on_ready = [this](std::uint32_t connection) { on_ready(connection); },
             .on_room = [this](std::uint32_t connection) { on_room(connection); },
             .on_transaction_end =
                 [this](std::uint32_t connection, const Connection::TransactionEnd& ended) {
                     on_transaction_end(connection, ended);
                 },
             .on_end =
                 [this](std::uint32_t connection, const std::optional<DeliveryError>& error) {
                     on_end(connection, error);
                 }}) {}

// ---- Beginning ----

Deliveries::DeliveryPtr Deliveries::make(std::uint32_t site) {
    auto delivery = std::make_shared<Delivery>();
    delivery->bundle = parts_.lines.take(
        site, std::max<std::size_t>(core_.settings->delivery.recipients_per_transaction_max, 1));
    delivery->site = site;
    delivery->message = core_.bundles[delivery->bundle].message;
    delivery->id = core_.table().message(delivery->message).id;
    delivery->content = parts_.copies.get(delivery->message);
    delivery->recipients = parts_.lines.recipients_of(delivery->bundle);
    delivery->refusals.resize(delivery->recipients.size());
    delivery->successes_at_start = parts_.sites[site].destination.successes();
    delivery->index = all_.size();
    all_.push_back(delivery);
    core_.event(AttemptStarted{delivery->id, parts_.sites[site].destination.name(),
                               static_cast<std::uint32_t>(delivery->recipients.size())});
    return delivery;
}

void Deliveries::start(std::uint32_t site) {
    const bool is_probe = parts_.sites[site].destination.start();
    const auto delivery = make(site);
    delivery->is_probe = is_probe;
    // Kept for it while it is read, so that nobody else needs a connection more than there may be.
    const auto kept = pool_.take_idle(site);
    delivery->connection = kept;
    if (kept == queue::nothing) set_unconnected(*delivery, true);
    if (delivery->content) {
        connect(delivery);
    } else {
        if (kept != queue::nothing) work_of(kept).reserved = delivery;
        read(delivery);
    }
}

void Deliveries::read(const DeliveryPtr& delivery) {
    core_.ports.store.read(delivery->id, [this, waiting = std::weak_ptr(delivery),
                                          alive = std::weak_ptr(core_.is_alive)](auto stored) {
        const auto reading = waiting.lock();
        if (alive.expired() || !reading || reading->bundle == queue::nothing) return;
        on_read(reading, std::move(stored));
    });
}

void Deliveries::on_read(const DeliveryPtr& delivery,
                         queue::StoreResult<queue::StoredMessage> stored) {
    core_.request_tick();
    const auto kept = delivery->connection;
    if (kept != queue::nothing) work_of(kept).reserved = nullptr;
    if (stored) {
        delivery->content = std::move(stored->message);
        connect(delivery);
        return;
    }
    if (kept != queue::nothing) pool_.park(kept);
    const auto message = delivery->message;
    delivery->host_error =
        DeliveryError{.status = {4, 3, 0},
                      .scope = Scope::message,
                      .text = "the message cannot be read from the spool: " + stored.error().text};
    end(delivery, How::unknown);
    parts_.ledger.note_unreadable(message, stored.error());
}

void Deliveries::connect(const DeliveryPtr& delivery) {
    const auto kept = delivery->connection;
    if (kept == queue::nothing) {
        walk(delivery);
    } else {
        transact(delivery, kept);
        pool_[kept].pump();
    }
}

void Deliveries::set_unconnected(Delivery& delivery, bool is_unconnected) {
    auto& counted = parts_.sites[delivery.site].unconnected;
    if (is_unconnected == delivery.is_unconnected) return;
    delivery.is_unconnected = is_unconnected;
    is_unconnected ? ++counted : --counted;
    is_unconnected ? ++unconnected_ : --unconnected_;
}

// ---- From host to host ----

void Deliveries::walk(const DeliveryPtr& delivery) {
    if (!std::exchange(delivery->is_planned, true)) {
        auto hosts = plan_hosts(*delivery);
        if (!hosts) {
            dns::keep_most_hopeful(delivery->host_error, std::move(hosts.error()));
            give_up(delivery);
            return;
        }
        delivery->hosts = std::move(*hosts);
        delivery->next_host = 0;
        // The host of a kept connection has had its say.
        if (delivery->sessions > 0) {
            std::erase_if(delivery->hosts,
                          [&](const auto& host) { return host.host == delivery->host; });
        }
    }
    advance(delivery);
}

Result<std::vector<conf::NextHopHost>> Deliveries::plan_hosts(const Delivery& delivery) {
    const auto& plan = parts_.sites[delivery.site].plan;
    if (plan.is_static) return plan.hosts;
    const auto port = core_.settings->delivery.port;
    if (!plan.mx) return std::vector<conf::NextHopHost>{{plan.mx_domain, port}};
    MTA_TRY(names, dns::plan_hosts(plan.mx_domain, *plan.mx, {core_.settings->hostname},
                                   core_.scheduler.rng()));
    std::vector<conf::NextHopHost> hosts;
    for (auto& name : names) hosts.push_back({std::move(name), port});
    return hosts;
}

// To the next address, or the next host's addresses, or the end of the attempt.
void Deliveries::advance(const DeliveryPtr& delivery) {
    const auto addresses_max = core_.settings->delivery.addresses_per_attempt_max;
    const auto& site = parts_.sites[delivery->site];
    const bool is_static = site.plan.is_static;
    // While the site is down nobody knocks but the probe.
    const auto may_knock = [&] { return delivery->is_probe || site.destination.health().is_up(); };
    while (may_knock() && delivery->sessions < sessions_max &&
           delivery->addresses_tried < addresses_max) {
        if (delivery->next_address < delivery->addresses.size()) {
            open(delivery, delivery->addresses[delivery->next_address++]);
            return;
        }
        if (delivery->next_host == delivery->hosts.size()) break;
        const auto& host = delivery->hosts[delivery->next_host++];
        delivery->host = host.host;
        const auto literal =
            is_static ? IpAddress::parse(host.host) : dns::address_of_literal(host.host);
        if (!literal) {
            look_up(delivery, host);
            return;
        }
        note_addresses(*delivery, host.port, dns::AddressAnswer{{*literal}, Millis{0}});
    }
    give_up(delivery);
}

void Deliveries::look_up(const DeliveryPtr& delivery, const conf::NextHopHost& host) {
    core_.ports.resolver.look_up_addresses(
        host.host, [this, waiting = std::weak_ptr(delivery), port = host.port,
                    alive = std::weak_ptr(core_.is_alive)](const auto& answer) {
            const auto asking = waiting.lock();
            if (alive.expired() || !asking || asking->bundle == queue::nothing) return;
            note_addresses(*asking, port, answer);
            advance(asking);
            core_.request_tick();
        });
}

void Deliveries::note_addresses(Delivery& delivery, std::uint16_t port,
                                const dns::Lookup<dns::AddressAnswer>& answer) {
    const auto& settings = core_.settings->delivery;
    dns::AddressPolicy policy{.port = port,
                              .own_addresses = core_.own_addresses,
                              .allow_networks = settings.allow_networks,
                              .addresses_max = settings.addresses_per_attempt_max};
    // A static route goes where the operator says, be it to this machine.
    if (parts_.sites[delivery.site].plan.is_static) {
        policy.own_addresses.clear();
        const auto all_v4 = Network::parse("0.0.0.0/0");
        const auto all_v6 = Network::parse("::/0");
        MTA_ASSERT(all_v4 && all_v6);
        policy.allow_networks = {*all_v4, *all_v6};
    }
    delivery.addresses.clear();
    delivery.next_address = 0;
    auto endpoints = dns::plan_addresses(delivery.host, answer, policy, core_.scheduler.rng());
    if (endpoints) {
        delivery.addresses = std::move(*endpoints);
    } else {
        dns::keep_most_hopeful(delivery.host_error, std::move(endpoints.error()));
    }
}

void Deliveries::open(const DeliveryPtr& delivery, const Endpoint& endpoint) {
    ++delivery->addresses_tried;
    set_unconnected(*delivery, false);
    const auto& host = delivery->host;
    const bool is_address = IpAddress::parse(host) || dns::address_of_literal(host);
    const auto& without = parts_.sites[delivery->site].hosts_without_chunking;
    delivery->connection = pool_.open(delivery->site, {.host = is_address ? std::string{} : host,
                                                       .endpoint = endpoint,
                                                       .use_chunking = !without.contains(host)});
    work_of(delivery->connection).opening = delivery;
}

// ---- On a connection ----

void Deliveries::on_ready(std::uint32_t connection) {
    const auto delivery = std::exchange(work_of(connection).opening, nullptr);
    core_.request_tick();
    if (delivery) {
        transact(delivery, connection);
    } else if (work_of(connection).leaving) {
        pool_[connection].quit();
    } else if (work_of(connection).active.empty()) {
        pool_.park(connection);
        parts_.sites.refresh(pool_.site_of(connection));
    }
}

// Another transaction right behind the one that waits for its last reply, if the site has all the
// connections that it may have: then this is the soonest that the next bundle can leave.
void Deliveries::on_room(std::uint32_t connection) {
    const auto site = pool_.site_of(connection);
    auto& destination = parts_.sites[site].destination;
    const auto& settings = core_.settings->delivery;
    if (core_.is_draining || !destination.may_follow()) return;
    const bool is_full = connections() >= settings.connections_max;
    const bool is_needed_elsewhere = is_full && parts_.sites.front() != queue::nothing;
    if (is_needed_elsewhere || (!is_full && destination.busy() < destination.limit())) return;
    if (pool_[connection].started() >= settings.messages_per_connection_max) return;
    const auto message = core_.bundles[destination.next_bundle()].message;
    const auto content = parts_.copies.get(message);
    if (!content || !content->is_body_inline()) return;
    destination.start_behind();
    const auto delivery = make(site);
    delivery->holds_connection = false;
    transact(delivery, connection);
}

void Deliveries::transact(const DeliveryPtr& delivery, std::uint32_t connection) {
    auto& open = pool_[connection];
    const auto recipients_max = open.capabilities().recipients_max;  // RFC 9422
    if (recipients_max != 0 && delivery->recipients.size() > recipients_max) {
        parts_.lines.put_back_excess(delivery->bundle, recipients_max);
        delivery->recipients.resize(recipients_max);
        delivery->refusals.resize(recipients_max);
    }
    delivery->connection = connection;
    delivery->host = open.target().host.empty() ? delivery->host : open.target().host;
    work_of(connection).active.push_back(delivery);
    open.start(delivery->content, delivery->recipients);
}

void Deliveries::on_transaction_end(std::uint32_t connection,
                                    const Connection::TransactionEnd& ended) {
    auto& active = work_of(connection).active;
    MTA_ASSERT(!active.empty());
    const auto delivery = active.front();
    active.erase(active.begin());
    core_.request_tick();
    delivery->connection = queue::nothing;
    // The one behind it has the connection now.
    if (!active.empty() && std::exchange(delivery->holds_connection, false))
        active.front()->holds_connection = true;
    if (delivery->bundle == queue::nothing) {
        end(delivery, How::unknown);
    } else if (ended.is_again_without_chunking || ended.outcome.never_began) {
        if (ended.is_again_without_chunking)
            parts_.sites[delivery->site].hosts_without_chunking.insert(delivery->host);
        start_afresh(delivery, connection);
    } else {
        ++delivery->sessions;
        judge(delivery, ended.outcome, connection);
    }
}

void Deliveries::on_end(std::uint32_t connection, const std::optional<DeliveryError>& error) {
    const auto [reserved, opening, leaving, active] = std::exchange(work_of(connection), {});
    MTA_ASSERT(active.empty());
    if (reserved) {
        reserved->connection = queue::nothing;
        set_unconnected(*reserved, true);
    }
    const auto& delivery = opening ? opening : leaving;
    if (!delivery) return;
    delivery->connection = queue::nothing;
    if (delivery->bundle == queue::nothing) {
        end(delivery, How::unknown);
        return;
    }
    set_unconnected(*delivery, true);
    if (opening && pool_[connection].has_been_connected()) ++delivery->sessions;
    // What a host that we reached did is more telling than what the DNS said of another one.
    if (opening && error) delivery->host_error = *error;
    walk(delivery);
}

// As if it had never been started, on a new connection.
void Deliveries::start_afresh(const DeliveryPtr& delivery, std::uint32_t connection) {
    if (!delivery->holds_connection || core_.is_draining ||
        ++delivery->fresh_starts > fresh_starts_max) {
        if (!delivery->host_error) {
            delivery->host_error = DeliveryError{
                .status = {4, 4, 2}, .scope = Scope::host, .text = "the connection was lost"};
        }
        end(delivery, How::unknown);
        return;
    }
    delivery->is_planned = false;
    go_on_after(delivery, connection);
}

// The delivery needs another connection: when this one is closed, so that it never has two.
void Deliveries::go_on_after(const DeliveryPtr& delivery, std::uint32_t connection) {
    delivery->addresses.clear();
    delivery->next_address = 0;
    delivery->connection = connection;
    work_of(connection).leaving = delivery;
}

// ---- Ending ----

// Sorts the answers: final ones are settled, the rest goes on to the next host, if there is one.
void Deliveries::judge(const DeliveryPtr& delivery,
                       const smtp::ClientSession::TransactionEnded& outcome,
                       std::uint32_t connection) {
    const DeliveryError taken{.status = {2, 0, 0},
                              .scope = Scope::recipient,
                              .reply_code = outcome.reply_code,
                              .text = outcome.reply,
                              .remote = pool_[connection].remote()};
    std::vector<Outcome> settled;
    settled.reserve(outcome.recipients.size());
    std::vector<std::uint32_t> left;
    std::vector<std::optional<DeliveryError>> refusals;
    using Kind = Outcome::Kind;
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
        const auto number = delivery->recipients[i];
        const auto& result = outcome.recipients[i];
        if (result) {
            settled.push_back({number, Kind::delivered, &taken, outcome.dsn_passed_on});
            delivery->was_answered = true;
            continue;
        }
        const auto& error = result.error();
        const bool is_of_host = error.scope == Scope::host || error.scope == Scope::domain;
        delivery->was_answered = delivery->was_answered || !is_of_host;
        const bool is_lost = error.reply_code == 0 && !error.is_permanent();
        if (is_of_host) {
            left.push_back(number);
            refusals.push_back(std::move(delivery->refusals[i]));
            delivery->host_error = error;
        } else if (error.is_permanent()) {
            settled.push_back({number, Kind::failed, &error});
        } else if (outcome.in_doubt && is_lost) {
            settled.push_back({number, Kind::in_doubt, &error});
        } else if (error.scope == Scope::recipient) {
            settled.push_back({number, Kind::deferred, &error});
        } else {
            left.push_back(number);
            refusals.emplace_back(error);
        }
    }
    delivery->recipients = std::move(left);
    delivery->refusals = std::move(refusals);
    if (delivery->recipients.empty()) {
        settle_all(delivery, settled, How::answered);
        return;
    }
    settle(*delivery, settled);
    if (core_.is_draining || !delivery->holds_connection || delivery->sessions >= sessions_max) {
        give_up(delivery);
    } else {
        go_on_after(delivery, connection);
    }
}

// Some are served, the delivery goes on for the others.
void Deliveries::settle(Delivery& delivery, std::span<const Outcome> outcomes) {
    if (outcomes.empty()) return;
    auto& table = core_.table();
    for (const auto& outcome : outcomes) {
        parts_.lines.leave(delivery.message,
                           table.recipient(table.message(delivery.message), outcome.recipient));
    }
    parts_.ledger.settle(delivery.message, delivery.content,
                         parts_.sites[delivery.site].destination.name(), outcomes);
}

// All are served. The site hears of it first: what is settled may bring new mail for it.
void Deliveries::settle_all(const DeliveryPtr& delivery, std::span<const Outcome> outcomes,
                            How how) {
    auto& table = core_.table();
    for (const auto& outcome : outcomes) {
        parts_.lines.leave(delivery->message,
                           table.recipient(table.message(delivery->message), outcome.recipient));
    }
    delivery->bundle = queue::nothing;
    end(delivery, how);
    parts_.ledger.settle(delivery->message, delivery->content,
                         parts_.sites[delivery->site].destination.name(), outcomes);
}

// No host is left: whoever has been answered is charged, the others are not.
void Deliveries::give_up(const DeliveryPtr& delivery) {
    const bool is_static = parts_.sites[delivery->site].plan.is_static;
    auto& host_error = delivery->host_error;
    const bool is_hopeless = host_error && host_error->is_permanent() &&
                             host_error->scope == Scope::domain && !is_static;
    const DeliveryError* const hopeless = is_hopeless && host_error ? &*host_error : nullptr;
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < delivery->recipients.size(); ++i) {
        const auto number = delivery->recipients[i];
        if (delivery->refusals[i]) {
            outcomes.push_back({number, Outcome::Kind::deferred, &*delivery->refusals[i]});
        } else if (hopeless != nullptr) {
            outcomes.push_back({number, Outcome::Kind::failed, hopeless});
        }
    }
    if (host_error && host_error->is_permanent()) host_error->status.klass = is_hopeless ? 5 : 4;
    const bool are_all_settled = outcomes.size() == delivery->recipients.size();
    const auto how = delivery->was_answered ? How::answered
                     : is_hopeless          ? How::unknown
                     : host_error           ? How::failed
                                            : How::unknown;
    if (are_all_settled) {
        settle_all(delivery, outcomes, how);
    } else {
        settle(*delivery, outcomes);
        end(delivery, how);
    }
}

// The site hears how it went. What is left of the bundle, uncharged, waits for the site if that is
// down, and otherwise for a pause of its own.
void Deliveries::end(const DeliveryPtr& delivery, How how) {
    set_unconnected(*delivery, false);
    auto& site = parts_.sites[delivery->site];
    auto& destination = site.destination;
    const auto now = core_.now();
    const auto down_since = destination.health().down_since();
    const auto error = delivery->host_error.value_or(DeliveryError{});
    const auto change = destination.end({.was_probe = delivery->is_probe,
                                         .frees_connection = delivery->holds_connection,
                                         .how = how,
                                         .successes_at_start = delivery->successes_at_start,
                                         .error = error,
                                         .jitter = core_.scheduler.jitter()},
                                        now);
    using Change = queue::Destination::Change;
    if (change == Change::went_down) {
        core_.event(DestinationDown{destination.name(), error,
                                    destination.health().next_probe().value_or(now),
                                    destination.waiting()});
    } else if (change == Change::came_up) {
        core_.event(DestinationUp{destination.name(), now - *down_since, destination.waiting()});
    }
    if (delivery->bundle != queue::nothing) {
        const auto message = delivery->message;
        const bool waits_for_site = !destination.health().is_up() || core_.is_draining;
        auto next_due = Instant{};
        if (waits_for_site) {
            parts_.lines.put_back(delivery->bundle);
        } else {
            auto& entry = core_.table().message(message);
            for (const auto number : delivery->recipients) {
                auto& recipient = core_.table().recipient(entry, number);
                parts_.lines.leave(message, recipient);
                core_.scheduler.postpone(entry, recipient, now);
                next_due = recipient.due;
            }
            core_.scheduler.rearm(message);
        }
        delivery->bundle = queue::nothing;
        core_.event(Postponed{delivery->id, destination.name(), error, next_due});
    }
    remove(*delivery);
    parts_.sites.refresh(delivery->site);
    core_.request_tick();
}

void Deliveries::remove(Delivery& delivery) {
    const auto index = delivery.index;
    if (index + 1 != all_.size()) {
        std::swap(all_[index], all_.back());
        all_[index]->index = index;
    }
    all_.pop_back();
}

// ---- From outside ----

void Deliveries::forget(std::uint32_t message) {
    const auto deliveries = all_;
    for (const auto& delivery : deliveries) {
        if (delivery->bundle == queue::nothing || delivery->message != message) continue;
        for (const auto number : delivery->recipients) {
            auto& table = core_.table();
            parts_.lines.leave(message, table.recipient(table.message(message), number));
        }
        delivery->bundle = queue::nothing;
        const auto connection = delivery->connection;
        if (connection == queue::nothing) {
            end(delivery, How::unknown);
            continue;
        }
        auto& work = work_of(connection);
        // Others share the connection, or it may have been taken: then it only ends unheard.
        if (work.active.size() > 1 || pool_[connection].is_past_final_dot()) continue;
        work = {};
        delivery->connection = queue::nothing;
        pool_.abort(connection);
        end(delivery, How::unknown);
    }
}

void Deliveries::drain() {
    pool_.close_idle();
    const auto deliveries = all_;
    for (const auto& delivery : deliveries) {
        const auto connection = delivery->connection;
        if (connection != queue::nothing) {
            auto& work = work_of(connection);
            if (!work.opening && (work.active.size() > 1 || pool_[connection].is_past_final_dot()))
                continue;
            work = {};
            delivery->connection = queue::nothing;
            pool_.abort(connection);
        }
        end(delivery, How::unknown);
    }
}

void Deliveries::tick() { pool_.tick(); }

Deliveries::Work& Deliveries::work_of(std::uint32_t connection) {
    if (connection >= work_.size()) work_.resize(connection + 1);
    return work_[connection];
}

}  // namespace mta::outbound
