#include "mta/outbound/attempt/attempts.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "mta/base/assert.h"
#include "mta/base/earliest.h"

namespace mta::outbound {
namespace {

using attempt_state::Abandoned;
using attempt_state::Admitted;
using attempt_state::Connecting;
using attempt_state::Leaving;
using attempt_state::Reading;
using attempt_state::Resolving;
using attempt_state::Transacting;

using How = queue::Destination::Ended::How;

}  // namespace

Attempts::Attempts(Context& context, Parts parts)
    : context_(context),
      parts_(parts),
      queue_(context.now(), [&context] { context.request_tick(); }),
      trials_(parts.sites,
              [this](AttemptHandle handle) {
                  const auto& attempt = table_[handle];
                  const auto connection = connection_of(attempt.state);
                  return Trials::Progress{
                      .is_ordered = attempt.purpose == Purpose::ordered_probe,
                      .silent_since = connection ? pool_[connection].silent_since() : std::nullopt};
              }),
      table_({parts.sites, queue_, trials_}, [&context] { return context.now(); }),
      pool_(context, {parts.sites, parts.addresses, parts.scheduler, parts.connections},
            {.on_event =
                 [this](ConnectionHandle connection, ConnectionPool::Event event) {
                     on_connection_event(connection, event);
                 },
             .on_host_room = [this](const HostLimits::HostPtr& host) { queue_.look_at(host); }}),
      end_(context,
           {parts.sites, parts.lines, parts.ledger, table_, parts.scheduler, parts.history}),
      look_ups_(context, {parts.sites, table_, parts.resolver, parts.scheduler}),
      approach_(context, {.sites = parts.sites,
                          .addresses = parts.addresses,
                          .table = table_,
                          .pool = pool_,
                          .queue = queue_,
                          .hosts = hosts_,
                          .keywords = keywords_,
                          .end = end_,
                          .look_ups = look_ups_,
                          .scheduler = parts.scheduler,
                          .sources = parts.sources,
                          .tracing = parts.connections.tracing}),
      transactions_(context,
                    {.sites = parts.sites,
                     .lines = parts.lines,
                     .table = table_,
                     .pool = pool_,
                     .keywords = keywords_,
                     .end = end_,
                     .scheduler = parts.scheduler,
                     .bundles = parts.bundles,
                     .sources = parts.sources},
                    [this](AttemptHandle handle) { approach_.walk(handle); }) {}

// ---- Beginning ----

Attempt Attempts::make(queue::SiteHandle handle, bool is_probe) {
    auto& site = parts_.sites[handle];
    Attempt attempt;
    attempt.number = ++last_number_;
    attempt.bundle = parts_.lines.take(
        handle, std::max<std::size_t>(site.limits.recipients_per_transaction_max, 1));
    const auto& bundle = parts_.bundles[attempt.bundle];
    attempt.site = handle;
    attempt.message = bundle.message;
    attempt.id = parts_.scheduler.table().message(attempt.message).id;
    attempt.content = parts_.copies.get(attempt.message);
    attempt.recipients = parts_.lines.recipients_of(attempt.bundle);
    attempt.refusals.resize(attempt.recipients.size());
    attempt.sender = bundle.sender;
    attempt.is_retry = bundle.is_retry;
    attempt.at_start = site.destination.mark();
    if (is_probe) {
        const bool is_ordered = site.destination.health().is_probe_ordered();
        attempt.purpose = is_ordered ? Purpose::ordered_probe : Purpose::probe;
    }
    return attempt;
}

AttemptHandle Attempts::add(Attempt attempt) {
    const auto handle = table_.add(std::move(attempt));
    const auto& added = table_[handle];
    auto& site = parts_.sites[added.site];
    if (!site.suspects.is_empty()) {
        // While this attempt is under way no other one goes to the suspect mailboxes among its
        // recipients.
        const auto& table = std::as_const(parts_.scheduler.table());
        const auto& entry = table.message(added.message);
        for (const auto number : added.recipients)
            site.suspects.hold_if_suspected(table.recipient(entry, number).address_hash,
                                            added.sender, added.number);
    }
    if (site.limits.has_rates()) context_.note_trouble();
    context_.event(events::AttemptStarted{added.id, site.destination.name(),
                                          static_cast<std::uint32_t>(added.recipients.size())});
    return handle;
}

void Attempts::start(queue::SiteHandle handle) {
    auto& site = parts_.sites[handle];
    const auto needs = site.needs();
    const bool is_probe = site.destination.start(context_.now(), needs);
    auto attempt = make(handle, is_probe);
    attempt.rates.begin(site.destination, needs, context_.now());
    // A kept connection is reserved while the message is read, so that no other attempt needs a
    // connection more than there may be.
    const auto kept = pool_.take_idle(handle);
    attempt.state = Reading{kept, {}};
    const auto begun = add(std::move(attempt));
    if (!table_[begun].content) return read(begun);
    if (!kept) {
        table_.enter(begun, Admitted{});
        return approach_.walk(begun);
    }
    transactions_.begin(begun, kept);
    pool_.pump(kept);
}

void Attempts::read(AttemptHandle handle) {
    auto& reading = std::get<Reading>(table_[handle].state);
    parts_.copies.read(table_[handle].id,
                       reading.answer.guard([this, handle](const MessageCopies::ReadResult& read) {
                           on_read(handle, read);
                       }));
}

void Attempts::on_read(AttemptHandle handle, const MessageCopies::ReadResult& read) {
    context_.request_tick();
    const auto kept = std::get<Reading>(table_[handle].state).kept;
    if (!read) {
        const auto site = table_[handle].site;
        end_.end_unreadable(handle, read.error());
        if (kept) {
            pool_.park(kept);
            parts_.sites.refresh(site);
        }
        return;
    }
    table_[handle].content = *read;
    if (!kept) {
        table_.enter(handle, Admitted{});
        return approach_.walk(handle);
    }
    transactions_.begin(handle, kept);
    pool_.pump(kept);
}

// ---- On a connection ----

void Attempts::on_connection_event(ConnectionHandle connection, ConnectionPool::Event& event) {
    if (auto* const transaction = std::get_if<TransactionEnd>(&event)) {
        transactions_.on_transaction_end(connection, *transaction);
    } else if (const auto* const ended = std::get_if<ConnectionEnded>(&event)) {
        transactions_.on_end(connection, *ended);
    } else if (std::holds_alternative<ConnectionReady>(event)) {
        on_ready(connection);
    } else if (std::holds_alternative<ConnectionRoom>(event)) {
        on_room(connection);
    } else if (std::holds_alternative<BodyOut>(event)) {
        transactions_.on_body_out(connection);
    } else {
        transactions_.on_silent(connection);
    }
}

void Attempts::on_ready(ConnectionHandle connection) {
    context_.request_tick();
    const auto handle = table_.first_on(connection);
    if (!handle) return on_idle(connection);
    const auto& state = table_[handle].state;
    if (std::holds_alternative<Leaving>(state)) {
        pool_.quit(connection);
    } else if (std::holds_alternative<Connecting>(state) && pool_[connection].can_start()) {
        pool_.note_hello(connection);
        transactions_.begin(handle, connection);
    }
    // Otherwise the server has ended the session in the same breath in which it answered EHLO, and
    // the end of the connection follows.
}

// A connection that has nothing to do is as good as a new one to the attempt of the site that waits
// for a host.
void Attempts::on_idle(ConnectionHandle connection) {
    const auto site = pool_[connection].site();
    const bool can_serve = pool_[connection].can_start() && !context_.is_draining() &&
                           !pool_.is_used_up(connection) &&
                           !parts_.sites[site].destination.is_closed();
    const auto* const waiting = can_serve ? queue_.find(site) : nullptr;
    if (waiting != nullptr) {
        const auto handle = waiting->attempt;
        if (take_over(handle)) return transactions_.begin(handle, connection);
    }
    pool_.park(connection);
    parts_.sites.refresh(site);
}

// An attempt that was offered elsewhere before needs another turn of the message rate. Returns false
// if it is too early for that: the attempt is over, and its bundle in line again.
bool Attempts::take_over(AttemptHandle handle) {
    auto& attempt = table_[handle];
    auto& destination = parts_.sites[attempt.site].destination;
    const auto needs = attempt.rates.needs_on_connection();
    if (destination.rates().next_allowed(needs) > context_.now()) {
        end_.put_back(handle);
        return false;
    }
    destination.rates().take(context_.now(), needs);
    return true;
}

// Another transaction right behind the one that waits for its last reply, if the site has all the
// connections that it may have: then this is the soonest that the next bundle can leave.
void Attempts::on_room(ConnectionHandle connection) {
    const auto handle = pool_[connection].site();
    auto& site = parts_.sites[handle];
    auto& destination = site.destination;
    if (context_.is_draining() || !parts_.lines.make_way(handle) ||
        !destination.may_follow(context_.now()))
        return;
    const bool is_full = connections() >= approach_.connections_max_for(handle);
    const bool is_needed_elsewhere = is_full && parts_.sites.turns().front();
    // A message behind one at which the host hangs would wait with it.
    if (!site.silent.is_empty()) return;
    const bool may_open = !site.is_waiting_for_host && destination.busy() < destination.limit();
    if (is_needed_elsewhere || (!is_full && may_open)) return;
    if (pool_.is_used_up(connection)) return;
    const auto message = parts_.bundles[destination.bundles().next()].message;
    const auto content = parts_.copies.get(message);
    if (!content || !content->is_body_inline()) return;
    destination.start_behind(context_.now());
    auto attempt = make(handle, false);
    attempt.state = Transacting{.connection = connection, .leads = false};
    transactions_.begin(add(std::move(attempt)), connection);
}

// ---- From outside ----

Attempts::Progress Attempts::progress_of(queue::BundleHandle bundle) const {
    const auto handle = table_.of_bundle(bundle);
    if (!handle) return {};
    const auto& attempt = table_[handle];
    if (const auto* const resolving = std::get_if<Resolving>(&attempt.state))
        return {attempt.walk.host(), std::nullopt, resolving->since};
    const auto connection = connection_of(attempt.state);
    if (!connection) return {};
    return {pool_[connection].remote(), pool_[connection].deadline(), std::nullopt};
}

std::optional<Instant> Attempts::looks_up_since(queue::SiteHandle site) const {
    std::optional<Instant> since;
    for (const auto handle : table_.all()) {
        const auto* const resolving = std::get_if<Resolving>(&table_[handle].state);
        if (table_[handle].site != site || resolving == nullptr) continue;
        since = std::min(since.value_or(resolving->since), resolving->since);
    }
    return since;
}

std::optional<Attempts::Waiting> Attempts::waiting_for_host(queue::SiteHandle site) const {
    const auto* const entry = queue_.find(site);
    if (entry == nullptr) return std::nullopt;
    const auto& host = *entry->host;
    return Waiting{table_[entry->attempt].bundle, host.closed_until, host.name, host.connections,
                   HostLimits::connections_limit(host)};
}

void Attempts::forget(queue::MessageHandle message) {
    const auto attempts = table_.all();
    for (const auto handle : attempts) {
        auto& attempt = table_[handle];
        if (!attempt.bundle || attempt.message != message) continue;
        for (const auto number : attempt.recipients) {
            auto& table = parts_.scheduler.table();
            parts_.lines.leave(message, table.recipient(table.message(message), number));
        }
        attempt.bundle = {};
        const auto connection = connection_of(attempt.state);
        const bool is_shared = connection && table_.on(connection).size() > 1;
        if (is_shared || (connection && pool_[connection].is_past_final_dot())) {
            table_.enter(handle, Abandoned{connection, leads(attempt.state)});
        } else {
            stop(handle);
        }
    }
}

// No other attempt uses its connection, if it has one.
void Attempts::stop(AttemptHandle handle) {
    const auto connection = connection_of(table_[handle].state);
    if (connection) pool_.abort(connection);
    end_.end(handle, How::unknown);
}

void Attempts::drain() {
    pool_.close_idle();
    const auto attempts = table_.all();
    for (const auto handle : attempts) {
        const auto& state = table_[handle].state;
        const auto connection = connection_of(state);
        const bool goes_on =
            connection && !std::holds_alternative<Connecting>(state) &&
            (table_.on(connection).size() > 1 || pool_[connection].is_past_final_dot());
        if (!goes_on) stop(handle);
    }
}

void Attempts::cut() {
    std::vector<ConnectionHandle> connections;
    for (const auto handle : table_.all())
        if (const auto connection = connection_of(table_[handle].state))
            connections.push_back(connection);
    for (const auto connection : connections) pool_.cut(connection);
}

void Attempts::put_back_queued(queue::MessageHandle message) {
    for (const auto site : queue_.sites()) {
        const auto handle = queue_.find(site)->attempt;
        if (table_[handle].message == message) end_.put_back(handle);
    }
}

void Attempts::probe_now(queue::SiteHandle site) {
    if (parts_.sites[site].destination.health().is_probing()) {
        for (const auto handle : table_.all()) {
            auto& attempt = table_[handle];
            if (attempt.site != site || !attempt.is_probe()) continue;
            attempt.purpose = Purpose::ordered_probe;
            attempt.walk.set_purpose(Purpose::ordered_probe);
        }
    }
    const auto* const entry = queue_.find(site);
    if (entry == nullptr) return;
    entry->host->closed_until = std::min(entry->host->closed_until, context_.now());
    queue_.look_at(entry->host);
}

void Attempts::apply_settings() {
    for (const auto site : queue_.sites()) {
        const auto& attempt = table_[queue_.find(site)->attempt];
        queue_.set_expiry(site, approach_.first_expiry(attempt));
        // With its new limit, which may leave room.
        queue_.look_at(approach_.host_for(site, attempt.walk.full_host_name()));
    }
    context_.request_tick();
}

// ---- Time ----

void Attempts::tick() {
    pool_.tick();
    for (const auto handle : table_.take_due_pauses()) approach_.go_on(handle);
    for (const auto& host : queue_.take_hosts(context_.now())) serve(host);
    for (const auto site : queue_.take_expired(context_.now()))
        end_.put_back(queue_.find(site)->attempt);
    check_look_ups();
    break_trials_off();
}

std::optional<Instant> Attempts::next_wakeup() const {
    Earliest next(pool_.next_wakeup());
    next.consider(table_.next_pause_end());
    next.consider(queue_.next_wakeup());
    next.consider(look_ups_.next_wakeup());
    // Another site may have begun to wait for the place of a trial whose time was over long ago: it
    // is due now, and no clock has leapt over it.
    if (const auto due = trials_.next()) next.consider(std::max(due->at, context_.now()));
    return next.at();
}

void Attempts::serve(const HostLimits::HostPtr& host) {
    for (auto handle = queue_.first_at(*host, context_.now()); handle;
         handle = queue_.first_at(*host, context_.now())) {
        if (!approach_.is_place_left(table_[handle].site)) {
            end_.put_back(handle);
            continue;
        }
        table_.enter(handle, Admitted{ConnectionPlace{HostSlot(queue_, host)}});
        table_[handle].walk.return_to_full_host();
        approach_.go_on(handle);
    }
    queue_.end_service(host, context_.now());
}

void Attempts::check_look_ups() {
    const auto overdue = look_ups_.take_overdue();
    for (const auto handle : overdue.expired) end_.put_back(handle);
    for (const auto handle : overdue.long_ones) give_place_up(handle);
}

// One attempt of each site is enough: what the others look for is known when they begin again.
void Attempts::give_place_up(AttemptHandle handle) {
    auto& attempt = table_[handle];
    auto& site = parts_.sites[attempt.site];
    attempt.rates.give_back(site.destination);
    if (site.is_looking_up) return end_.put_back(handle);
    auto& resolving = std::get<Resolving>(attempt.state);
    table_.enter(handle, Resolving{resolving.since, std::nullopt, std::move(resolving.answer)});
    context_.request_tick();
}

// Each that is broken off lets one go that waits: that one begins before the next tick.
void Attempts::break_trials_off() {
    for (auto due = trials_.next(); due && due->at <= context_.now(); due = trials_.next()) {
        const auto handle = due->attempt;
        const auto& attempt = table_[handle];
        if (std::holds_alternative<Resolving>(attempt.state)) {
            give_place_up(handle);
        } else if (!may_break_off(attempt)) {
            trials_.prolong(*attempt.trial, context_.now());
        } else {
            break_off(handle, context_.now() - due->silent_since);
        }
    }
}

bool Attempts::may_break_off(const Attempt& attempt) const {
    const auto connection = connection_of(attempt.state);
    if (!connection) return false;
    if (std::holds_alternative<Connecting>(attempt.state)) return true;
    return std::holds_alternative<Transacting>(attempt.state) &&
           table_.on(connection).size() == 1 && !pool_[connection].is_past_final_dot();
}

// It counts against the address and the site, which is down now and will be probed. A first attempt
// is not the one after which mail may expire; a probe is.
void Attempts::break_off(AttemptHandle handle, Millis silence) {
    auto& attempt = table_[handle];
    const auto connection = connection_of(attempt.state);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(silence).count();
    const DeliveryError error{.status = {4, 4, 1},
                              .scope = Scope::host,
                              .text = "no answer within " + std::to_string(seconds) +
                                      " s, while other destinations waited for a connection; a "
                                      "later attempt waits longer",
                              .remote = pool_[connection].remote()};
    pool_.note_failure(connection, error);
    pool_.abort(connection);
    auto& failed_attempts = parts_.sites[attempt.site].failed_attempts;
    const auto failed_before = failed_attempts;
    end_.record_host_failure(attempt, error);
    attempt.walk.set_trouble(error);
    if (!attempt.is_probe()) failed_attempts = failed_before;
    end_.give_up(handle, false);
}

std::string Attempts::check() const {
    if (auto wrong = table_.check(); !wrong.empty()) return wrong;
    for (const auto site : queue_.sites())
        if (!parts_.sites[site].is_waiting_for_host)
            return parts_.sites[site].plan.name + " is in the queue of a host, and does not know";
    return queue_.check(context_.now());
}

}  // namespace mta::outbound
