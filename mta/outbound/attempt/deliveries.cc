#include "mta/outbound/attempt/deliveries.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "mta/base/assert.h"
#include "mta/diagnosis/reply_words.h"

namespace mta::outbound {
namespace {

// A kept connection that was gone, a BDAT that was not understood, and a keyword that is tried
// without: none of them can come twice.
constexpr std::uint32_t fresh_starts_max = 3;

}  // namespace

Deliveries::Deliveries(Context& context, Parts parts)
    : context_(context),
      parts_(parts),
      pool_(context, {parts.sites, parts.addresses, parts.scheduler, parts.connections},
            {.on_event =
                 [this](ConnectionHandle connection, ConnectionPool::Event event) {
                     on_connection_event(connection, event);
                 },
             .on_host_room =
                 [this](const HostLimits::HostPtr& host) {
                     if (host->line.empty()) return;
                     hosts_with_room_.push_back(host);
                     context_.request_tick();
                 }}),
      expiries_(context.now()) {}

// ---- Beginning ----

Deliveries::DeliveryPtr Deliveries::make(queue::SiteHandle site) {
    auto delivery = std::make_shared<Delivery>();
    delivery->bundle = parts_.lines.take(
        site, std::max<std::size_t>(parts_.sites[site].limits.recipients_per_transaction_max, 1));
    delivery->site = site;
    delivery->message = parts_.bundles[delivery->bundle].message;
    delivery->id = parts_.scheduler.table().message(delivery->message).id;
    delivery->content = parts_.copies.get(delivery->message);
    delivery->recipients = parts_.lines.recipients_of(delivery->bundle);
    delivery->refusals.resize(delivery->recipients.size());
    delivery->sender = parts_.bundles[delivery->bundle].sender;
    delivery->is_retried = parts_.bundles[delivery->bundle].is_retry;
    delivery->at_start = parts_.sites[site].destination.mark();
    delivery->index = all_.size();
    delivery->number = ++last_number_;
    all_.push_back(delivery);
    hold_suspects(*delivery);
    if (parts_.sites[site].limits.has_rates()) context_.note_trouble();
    context_.event(AttemptStarted{delivery->id, parts_.sites[site].destination.name(),
                                  static_cast<std::uint32_t>(delivery->recipients.size())});
    return delivery;
}

// While the delivery is under way no other one goes to the suspect mailboxes among its recipients.
void Deliveries::hold_suspects(const Delivery& delivery) {
    auto& suspects = parts_.sites[delivery.site].suspects;
    if (suspects.is_empty()) return;
    for (const auto number : delivery.recipients) {
        suspects.hold_if_suspected(mailbox_of(delivery, number), delivery.sender, delivery.number);
    }
}

std::uint32_t Deliveries::mailbox_of(const Delivery& delivery, std::uint32_t recipient) const {
    const auto& table = std::as_const(parts_.scheduler.table());
    return table.recipient(table.message(delivery.message), recipient).address_hash;
}

void Deliveries::start(queue::SiteHandle site) {
    const auto needs = parts_.sites[site].needs();
    auto& destination = parts_.sites[site].destination;
    const bool is_probe = destination.start(context_.now(), needs);
    const auto delivery = make(site);
    delivery->may_connect = needs.connection;
    delivery->taken = destination.taken();
    delivery->taken_at = context_.now();
    if (is_probe) {
        const bool is_ordered = destination.health().is_probe_ordered();
        delivery->purpose = is_ordered ? Purpose::ordered_probe : Purpose::probe;
    }
    // Kept for it while it is read, so that nobody else needs a connection more than there may be.
    const auto kept = pool_.take_idle(site);
    delivery->connection = kept;
    if (!kept) {
        set_unconnected(*delivery, true);
        begin_trial(delivery);
    }
    if (delivery->content) {
        connect(delivery);
    } else {
        if (kept) work_of(kept).reserved = delivery;
        read(delivery);
    }
}

void Deliveries::read(const DeliveryPtr& delivery) {
    parts_.copies.read(delivery->id, [this, waiting = std::weak_ptr(delivery)](const auto& read) {
        const auto reading = waiting.lock();
        if (reading && reading->bundle) on_read(reading, read);
    });
}

void Deliveries::on_read(const DeliveryPtr& delivery, const MessageCopies::ReadResult& read) {
    context_.request_tick();
    const auto kept = delivery->connection;
    if (kept) work_of(kept).reserved = nullptr;
    if (read) {
        delivery->content = *read;
        connect(delivery);
        return;
    }
    if (kept) pool_.park(kept);
    end_unreadable(delivery, read.error());
}

void Deliveries::connect(const DeliveryPtr& delivery) {
    const auto kept = delivery->connection;
    if (!kept) {
        walk(delivery);
    } else {
        transact(delivery, kept);
        pool_.pump(kept);
    }
}

void Deliveries::set_unconnected(Delivery& delivery, bool is_unconnected) {
    auto& counted = parts_.sites[delivery.site].unconnected;
    if (is_unconnected == delivery.is_unconnected) return;
    delivery.is_unconnected = is_unconnected;
    is_unconnected ? ++counted : --counted;
    is_unconnected ? ++unconnected_ : --unconnected_;
}

std::uint32_t Deliveries::crowded_from() const {
    const auto most = context_.settings().delivery.connections_max;
    return most - most / 4;
}

std::uint32_t Deliveries::connections_max_for(queue::SiteHandle site) const {
    const auto own = parts_.sites[site].connections + parts_.sites[site].unconnected;
    const bool may_have_all = own == 0 || own == connections();
    return may_have_all ? context_.settings().delivery.connections_max : crowded_from();
}

// ---- On a connection ----

void Deliveries::on_connection_event(ConnectionHandle connection, ConnectionPool::Event& event) {
    if (const auto* const transaction = std::get_if<TransactionEnd>(&event))
        return on_transaction_end(connection, *transaction);
    if (const auto* const ended = std::get_if<ConnectionEnded>(&event))
        return on_end(connection, *ended);
    if (std::holds_alternative<ConnectionReady>(event)) return on_ready(connection);
    if (std::holds_alternative<ConnectionRoom>(event)) return on_room(connection);
    if (std::holds_alternative<BodyOut>(event)) return send_trial(connection);
    on_silent(connection);
}

void Deliveries::on_ready(ConnectionHandle connection) {
    context_.request_tick();
    const bool can_start = pool_[connection].can_start();
    // The server has ended the session in the same breath in which it answered EHLO: on_end()
    // comes.
    if (work_of(connection).opening && !can_start) return;
    const auto delivery = std::exchange(work_of(connection).opening, nullptr);
    if (delivery) pool_.note_hello(connection);
    if (delivery) {
        transact(delivery, connection);
    } else if (work_of(connection).leaving) {
        pool_.quit(connection);
    } else if (work_of(connection).active.empty()) {
        const auto site = pool_[connection].site();
        const bool can_serve = can_start && !context_.is_draining() &&
                               !pool_.is_used_up(connection) &&
                               !parts_.sites[site].destination.is_closed();
        const auto waiting = can_serve ? take_waiting(site) : nullptr;
        if (waiting && take_over(waiting)) return transact(waiting, connection);
        pool_.park(connection);
        parts_.sites.refresh(site);
    }
}

// Another transaction right behind the one that waits for its last reply, if the site has all the
// connections that it may have: then this is the soonest that the next bundle can leave.
void Deliveries::on_room(ConnectionHandle connection) {
    const auto site = pool_[connection].site();
    auto& destination = parts_.sites[site].destination;
    if (context_.is_draining() || !parts_.lines.make_way(site) ||
        !destination.may_follow(context_.now()))
        return;
    const bool is_full = connections() >= connections_max_for(site);
    const bool is_needed_elsewhere = is_full && parts_.sites.front();
    // What stands behind a message at which the host hangs would wait with it.
    if (!parts_.sites[site].silent.is_empty()) return;
    const bool may_open =
        !parts_.sites[site].is_waiting_for_host && destination.busy() < destination.limit();
    if (is_needed_elsewhere || (!is_full && may_open)) return;
    if (pool_.is_used_up(connection)) return;
    const auto message = parts_.bundles[destination.next_bundle()].message;
    const auto content = parts_.copies.get(message);
    if (!content || !content->is_body_inline()) return;
    destination.start_behind(context_.now());
    const auto delivery = make(site);
    delivery->holds_connection = false;
    transact(delivery, connection);
}

// RFC 9422: what is more than a transaction may have goes in the next one.
void Deliveries::fit_to_limits(Delivery& delivery, const smtp::Capabilities& capabilities) {
    const auto limit = [](std::uint32_t most) { return most == 0 ? SIZE_MAX : most; };
    const auto recipients_max = limit(capabilities.recipients_max);
    const auto domains_max = limit(capabilities.recipient_domains_max);
    const auto& entry = parts_.scheduler.table().message(delivery.message);
    std::set<queue::DomainHandle> domains;
    std::vector<std::uint32_t> kept;
    std::vector<std::optional<DeliveryError>> refusals;
    for (std::size_t i = 0; i < delivery.recipients.size(); ++i) {
        if (kept.size() == recipients_max) break;
        const auto number = delivery.recipients[i];
        const auto domain = parts_.scheduler.table().recipient(entry, number).domain;
        if (!domains.contains(domain) && domains.size() == domains_max) continue;
        domains.insert(domain);
        kept.push_back(number);
        refusals.push_back(std::move(delivery.refusals[i]));
    }
    if (kept.size() < parts_.bundles[delivery.bundle].recipients)
        parts_.lines.put_back(parts_.lines.split_off_others(delivery.bundle, kept));
    delivery.recipients = std::move(kept);
    delivery.refusals = std::move(refusals);
}

void Deliveries::transact(const DeliveryPtr& delivery, ConnectionHandle connection) {
    const auto& open = pool_[connection];
    const auto& capabilities = open.capabilities();
    if (capabilities.recipients_max != 0 || capabilities.recipient_domains_max != 0)
        fit_to_limits(*delivery, capabilities);
    parts_.sites[delivery->site].missing.clear(capabilities);
    // Another one of the site has had its answer meanwhile.
    if (delivery->trial &&
        parts_.sites[delivery->site].standing(context_.now()) == Standing::answering)
        end_trial(*delivery);
    delivery->may_send = false;
    delivery->was_offered = true;
    delivery->connection = connection;
    delivery->host = open.target().host.empty() ? delivery->host : open.target().host;
    const auto& endpoint = open.target().endpoint;
    if (std::ranges::find(delivery->asked, endpoint) == delivery->asked.end())
        delivery->asked.push_back(endpoint);
    work_of(connection).active.push_back(delivery);
    pool_.start(connection, delivery->content, delivery->recipients);
}

void Deliveries::on_silent(ConnectionHandle connection) {
    const auto& active = work_of(connection).active;
    const auto place = pool_[connection].recipient_awaited();
    if (!place || active.empty() || !active.front()->bundle) return;
    const auto& delivery = *active.front();
    const auto mailbox = mailbox_of(delivery, delivery.recipients[*place]);
    parts_.sites[delivery.site].suspects.note_silence(mailbox, delivery.sender, delivery.number,
                                                      context_.now());
}

void Deliveries::on_transaction_end(ConnectionHandle connection, const TransactionEnd& ended) {
    auto& active = work_of(connection).active;
    MTA_ASSERT(!active.empty());
    const auto delivery = active.front();
    active.erase(active.begin());
    context_.request_tick();
    delivery->connection = {};
    // The one behind it has the connection now.
    if (!active.empty() && std::exchange(delivery->holds_connection, false))
        active.front()->holds_connection = true;
    if (!delivery->bundle) {
        end(delivery, How::unknown);
    } else if (ended.unreadable) {
        end_unreadable(delivery, *ended.unreadable);
    } else if (ended.outcome.chunking_refused || ended.outcome.never_began) {
        if (ended.outcome.chunking_refused)
            keywords_.distrust(delivery->host, SmtpKeyword::chunking, context_.now());
        start_afresh(delivery, connection);
    } else if (is_to_be_tried_without(*delivery, ended.outcome, connection)) {
        start_afresh(delivery, connection);
    } else {
        // A host that lacks a keyword was not asked.
        const bool was_asked = std::ranges::any_of(
            ended.outcome.recipients,
            [](const auto& result) { return result || !smtp::is_missing_keyword(result.error()); });
        if (was_asked) ++delivery->sessions;
        judge(delivery, ended.outcome, connection);
    }
}

void Deliveries::on_end(ConnectionHandle connection, const ConnectionEnded& ended) {
    const auto [reserved, opening, leaving, active] = std::exchange(work_of(connection), {});
    MTA_ASSERT(active.empty());
    if (reserved) {
        reserved->connection = {};
        set_unconnected(*reserved, true);
    }
    const auto& delivery = opening ? opening : leaving;
    if (!delivery) return;
    delivery->connection = {};
    if (!delivery->bundle) {
        end(delivery, How::unknown);
        return;
    }
    if (opening && ended.error)
        return on_refused(delivery, connection, *ended.error, ended.has_unusable_source);
    set_unconnected(*delivery, true);
    walk(delivery);
}

// The connection that it had opened came to nothing before the first transaction.
void Deliveries::on_refused(const DeliveryPtr& delivery, ConnectionHandle connection,
                            const DeliveryError& error, bool is_of_source) {
    const bool is_refusal_of_source = is_of_source || smtp::is_about_our_address(error);
    if (is_refusal_of_source && suspend_source(connection, error))
        return put_back(delivery, How::unknown);
    set_unconnected(*delivery, true);
    // What a host that we reached did is more telling than what the DNS said of another one.
    note_host_failure(*delivery, error);
    delivery->host_error = error;
    if (smtp::is_too_many_connections(error)) {
        pool_.note_too_many(connection);
        --delivery->addresses_tried;
        std::erase(delivery->asked, pool_[connection].target().endpoint);
    } else if (!is_of_source) {
        pool_.note_failure(connection, error);
    }
    walk(delivery);
}

// As if it had never been started, on a new connection.
void Deliveries::start_afresh(const DeliveryPtr& delivery, ConnectionHandle connection) {
    if (!delivery->holds_connection || context_.is_draining() ||
        ++delivery->fresh_starts > fresh_starts_max) {
        if (!delivery->host_error) {
            delivery->host_error = DeliveryError{
                .status = {4, 4, 2}, .scope = Scope::host, .text = "the connection was lost"};
            note_host_failure(*delivery, *delivery->host_error);
        }
        end(delivery, How::unknown);
        return;
    }
    const auto& hosts = delivery->hosts;
    const auto here = std::ranges::find(hosts, delivery->host, &conf::NextHopHost::host);
    if (has_been_answered(*delivery) && delivery->is_planned && here != hosts.end()) {
        // By the hosts before this one: it goes on here.
        delivery->next_host = static_cast<std::size_t>(here - hosts.begin());
        std::erase(delivery->asked, pool_[connection].target().endpoint);
    } else {
        delivery->is_planned = false;
    }
    go_on_after(delivery, connection);
}

// The delivery needs another connection: when this one is closed, so that it never has two.
void Deliveries::go_on_after(const DeliveryPtr& delivery, ConnectionHandle connection) {
    delivery->addresses.clear();
    delivery->next_address = 0;
    delivery->connection = connection;
    work_of(connection).leaving = delivery;
}

// ---- From outside ----

Deliveries::Progress Deliveries::progress_of(queue::BundleHandle bundle) const {
    const auto found = std::ranges::find_if(
        all_, [bundle](const DeliveryPtr& delivery) { return delivery->bundle == bundle; });
    if (found == all_.end()) return {};
    const auto& delivery = **found;
    if (delivery.is_looking_up) return {delivery.host, std::nullopt, delivery.looks_up_since};
    if (!delivery.connection) return {};
    const auto& connection = pool_[delivery.connection];
    return {connection.remote(), connection.deadline(), std::nullopt};
}

void Deliveries::forget(queue::MessageHandle message) {
    const auto deliveries = all_;
    for (const auto& delivery : deliveries) {
        if (!delivery->bundle || delivery->message != message) continue;
        for (const auto number : delivery->recipients) {
            auto& table = parts_.scheduler.table();
            parts_.lines.leave(message, table.recipient(table.message(message), number));
        }
        delivery->bundle = {};
        const auto connection = delivery->connection;
        if (!connection) {
            end(delivery, How::unknown);
            continue;
        }
        auto& work = work_of(connection);
        // Others share the connection, or it may have been taken: then it only ends unheard.
        if (work.active.size() > 1 || pool_[connection].is_past_final_dot()) continue;
        work = {};
        delivery->connection = {};
        pool_.abort(connection);
        end(delivery, How::unknown);
    }
}

void Deliveries::drain() {
    pool_.close_idle();
    const auto deliveries = all_;
    for (const auto& delivery : deliveries) {
        const auto connection = delivery->connection;
        if (connection) {
            auto& work = work_of(connection);
            if (!work.opening && (work.active.size() > 1 || pool_[connection].is_past_final_dot()))
                continue;
            work = {};
            delivery->connection = {};
            pool_.abort(connection);
        }
        end(delivery, How::unknown);
    }
}

void Deliveries::cut() {
    const auto deliveries = all_;
    for (const auto& delivery : deliveries)
        if (delivery->connection) pool_.cut(delivery->connection);
}

void Deliveries::tick() {
    pool_.tick();
    while (!paused_.empty() && paused_.begin()->first <= context_.now()) {
        const auto delivery = paused_.extract(paused_.begin()).mapped().lock();
        if (!delivery || !delivery->bundle) continue;
        if (delivery->waiting_at) {
            hosts_with_room_.push_back(delivery->waiting_at);
        } else if (std::exchange(delivery->is_paused, false)) {
            advance(delivery);
        }
    }
    for (const auto& host : std::exchange(hosts_with_room_, {})) serve_line_of(host);
    put_back_expired();
    check_look_ups();
    break_trials_off();
}

std::optional<Instant> Deliveries::next_wakeup() const {
    auto next = pool_.next_wakeup();
    const auto consider = [&next](Instant at) { next = std::min(next.value_or(at), at); };
    if (!paused_.empty()) consider(paused_.begin()->first);
    if (look_up_check_) consider(*look_up_check_);
    if (const auto expiry = expiries_.next()) consider(*expiry);
    // Somebody may have begun to wait for the place of one whose time was over long ago: it is due
    // now, and no clock has leapt over it.
    if (const auto trial = next_break_off()) consider(std::max(trial->at, context_.now()));
    return next;
}

Deliveries::Work& Deliveries::work_of(ConnectionHandle connection) {
    const auto index = std::size_t{connection.index()};
    if (index >= work_.size()) work_.resize(index + 1);
    return work_[index];
}

}  // namespace mta::outbound
