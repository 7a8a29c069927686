#include "mta/outbound/attempt/connection_pool.h"

#include <algorithm>
#include <string>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

std::string describe(const Connection::Target& target) {
    const auto port = ":" + std::to_string(target.endpoint.port);
    const auto literal = "[" + target.endpoint.address.to_string() + "]";
    return (target.host.empty() ? literal : target.host + " " + literal) + port;
}

// How long an unwell host has to accept, and then to greet.
constexpr Millis unwell_patience{30'000};

smtp::ClientOptions options_for(const conf::Settings& settings, const Connection::Target& target) {
    const auto& delivery = settings.delivery;
    smtp::ClientOptions options;
    options.ehlo_name = target.ehlo_name.empty() ? settings.hostname : target.ehlo_name;
    options.timeouts.greeting = delivery.greeting_timeout;
    if (target.is_unwell)
        options.timeouts.greeting = std::min(delivery.greeting_timeout, unwell_patience);
    options.timeouts.command = delivery.command_timeout;
    options.timeouts.data_command = delivery.data_command_timeout;
    options.timeouts.data_block = delivery.data_block_timeout;
    options.timeouts.final_dot = delivery.final_dot_timeout;
    options.without = target.without;
    return options;
}

}  // namespace

ConnectionPool::ConnectionPool(Context& context, Parts parts, Sink sink)
    : context_(context),
      sites_(parts.sites),
      addresses_(parts.addresses),
      scheduler_(parts.scheduler),
      world_(parts.world),
      sink_(std::move(sink)),
      ports_{world_.connector, world_.store, [&context] { return context.now(); }},
      timers_(context.now()) {}

// ---- Commands and events ----

ConnectionHandle ConnectionPool::open(queue::SiteHandle site, Connection::Target target,
                                      HostLimits::HostPtr host) {
    const auto handle = connections_.add();
    auto& held = connections_[handle];
    held.host = std::move(host);
    held.attempt = addresses_.begin(target.endpoint, context_.now());
    held.epoch = held.host->concurrency.epoch();
    held.record.site_ = site;
    held.record.remote_ = describe(target);
    held.record.target_ = std::move(target);
    ++held.host->connections;
    ++sites_[site].connections;
    ++total_;
    ++world_.totals.connects_total;
    held.connection = std::make_unique<Connection>(
        ports_, setup_for(held.record),
        [this, handle](const ConnectionState& state, ConnectionEvent event) {
            on_event(handle, state, std::move(event));
        });
    held.record.state_ = held.connection->state();
    rearm(handle);
    return handle;
}

Connection::Setup ConnectionPool::setup_for(ConnectionRecord& record) {
    auto& target = record.target_;
    Connection::Setup setup{.endpoint = target.endpoint,
                            .source_address = target.source_address,
                            .connect_timeout = context_.settings().delivery.connect_timeout,
                            .session = options_for(context_.settings(), target)};
    setup.session.remote = record.remote_;
    record.is_traced_ = !target.watchers.empty();
    if (record.is_traced_) {
        setup.trace = Connection::Trace{std::exchange(target.watchers, {}),
                                        world_.tracing.next_connection(), target.message_id};
    }
    return setup;
}

void ConnectionPool::start(ConnectionHandle handle, std::shared_ptr<const queue::Message> message,
                           const std::vector<std::uint32_t>& recipients) {
    auto& held = connections_[handle];
    auto trace = trace_for(held.record, *message, recipients);
    ++held.record.active_;
    ++held.record.started_;
    ++world_.totals.transactions_total;
    held.connection->start(std::move(message), recipients, std::move(trace));
}

// Empty if nothing is watched at all: then nothing changes.
std::optional<Connection::Trace> ConnectionPool::trace_for(
    ConnectionRecord& record, const queue::Message& message,
    const std::vector<std::uint32_t>& recipients) {
    if (!record.is_traced_ && !world_.tracing.is_watched()) return std::nullopt;
    Connection::Trace trace{.watchers = world_.tracing.match(message, recipients, context_.now()),
                            .message_id = message.id};
    const bool is_watched = !trace.watchers.empty();
    if (is_watched && !record.is_traced_) trace.connection = world_.tracing.next_connection();
    record.is_traced_ = is_watched || (record.is_traced_ && record.active_ > 0);
    return trace;
}

void ConnectionPool::pump(ConnectionHandle handle) { connections_[handle].connection->pump(); }

void ConnectionPool::quit(ConnectionHandle handle) { connections_[handle].connection->quit(); }

void ConnectionPool::cut(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (held.record.has_ended()) return;
    held.connection->cut();
    held.record.state_ = held.connection->state();
}

void ConnectionPool::abort(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (held.record.has_ended()) return;
    held.connection->abort();
    held.record.state_ = held.connection->state();
    held.record.active_ = 0;
    release(handle);
}

void ConnectionPool::on_event(ConnectionHandle handle, const ConnectionState& state,
                              ConnectionEvent event) {
    auto& record = connections_[handle].record;
    record.state_ = state;
    if (std::holds_alternative<StateChanged>(event)) {
        rearm(handle);
    } else if (const auto* const connected = std::get_if<Connected>(&event)) {
        world_.latencies.connect.add(connected->took);
    } else if (auto* const greeted = std::get_if<Greeted>(&event)) {
        record.capabilities_ = std::move(greeted->capabilities);
        world_.latencies.hello.add(greeted->took);
    } else if (std::holds_alternative<ConnectionReady>(event)) {
        sink_.on_event(handle, ConnectionReady{});
    } else if (std::holds_alternative<ConnectionRoom>(event)) {
        sink_.on_event(handle, ConnectionRoom{});
    } else if (std::holds_alternative<BodyOut>(event)) {
        sink_.on_event(handle, BodyOut{});
    } else if (auto* const transaction = std::get_if<TransactionEnd>(&event)) {
        --record.active_;
        if (transaction->took) world_.latencies.transaction.add(*transaction->took);
        sink_.on_event(handle, std::move(*transaction));
    } else {
        release(handle);
        sink_.on_event(handle, std::move(std::get<ConnectionEnded>(event)));
    }
}

// ---- Idle connections ----

ConnectionHandle ConnectionPool::take_idle(queue::SiteHandle site) {
    auto& idle = sites_[site].idle;
    if (idle.empty()) return {};
    const auto handle = idle.back();
    take_out_of_idle(handle);
    return handle;
}

void ConnectionPool::park(ConnectionHandle handle) {
    auto& held = connections_[handle];
    MTA_ASSERT(!held.is_idle && held.record.active() == 0);
    auto& site = sites_[held.record.site()];
    const auto& delivery = context_.settings().delivery;
    const bool is_over =
        is_used_up(handle) || !held.record.can_start() || site.destination.is_closed();
    if (is_over || context_.is_draining() ||
        site.connections > site.connections_limit(context_.now())) {
        quit(handle);
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
    const auto& site = sites_[held.record.site()];
    return held.record.started() >= site.limits.messages_per_connection_max ||
           site.sources.is_suspended(held.record.target().source, context_.now());
}

// The address is up. From now on it is no probe, and what fails afterwards began now.
void ConnectionPool::note_hello(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (addresses_.succeeded(held.attempt, context_.now())) context_.note_trouble();
    held.attempt = addresses_.begin(held.attempt.endpoint, context_.now());
}

void ConnectionPool::note_success(ConnectionHandle handle) {
    const auto& held = connections_[handle];
    note_hello(handle);
    sites_[held.record.site()].sources.accept(held.record.target().source, context_.now());
    const auto before = HostLimits::connections_limit(*held.host);
    HostLimits::note_success(*held.host, context_.now());
    if (HostLimits::connections_limit(*held.host) > before) sink_.on_host_room(held.host);
}

void ConnectionPool::note_failure(ConnectionHandle handle, const DeliveryError& error) {
    auto& held = connections_[handle];
    auto& host = *held.host;
    // This one may have been taken out of the count already.
    const auto in_use = host.connections + (held.record.has_ended() ? 1 : 0);
    host.concurrency.on_failure({.in_use = in_use, .epoch_at_start = held.epoch});
    if (std::exchange(held.is_judged, true)) return;
    const bool is_static = sites_[held.record.site()].plan.is_static();
    addresses_.failed(held.attempt, {error, is_static, scheduler_.jitter()}, context_.now());
    context_.note_trouble();
}

void ConnectionPool::note_break(ConnectionHandle handle, const DeliveryError& error) {
    auto& held = connections_[handle];
    if (std::exchange(held.is_judged, true)) return;
    const bool is_static = sites_[held.record.site()].plan.is_static();
    const AddressHealth::Failure failure{error, is_static, scheduler_.jitter()};
    if (addresses_.failed(held.attempt, failure, context_.now())) context_.note_trouble();
}

void ConnectionPool::note_too_many(ConnectionHandle handle) {
    const auto& held = connections_[handle];
    auto& host = *held.host;
    const auto others = host.connections - (held.record.has_ended() ? 0 : 1);
    HostLimits::note_too_many(host, others, context_.now(), scheduler_.jitter());
}

// A connection that is closed keeps its place until its QUIT is answered: a site that asks again
// meanwhile waits for the same one.
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
    quit(handle);
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
        quit(handle);
    }
}

void ConnectionPool::close_idle_to(const HostLimits::Host& host) {
    const auto found = std::ranges::find_if(
        idle_, [&](ConnectionHandle handle) { return connections_[handle].host.get() == &host; });
    if (found == idle_.end()) return;
    const auto handle = *found;
    take_out_of_idle(handle);
    quit(handle);
}

void ConnectionPool::close_idle_from(queue::SiteHandle site, std::string_view source) {
    for (const auto handle : std::vector(sites_[site].idle)) {
        if (connections_[handle].record.target().source != source) continue;
        take_out_of_idle(handle);
        quit(handle);
    }
}

void ConnectionPool::tick() {
    for (const auto handle : timers_.advance(context_.now())) {
        auto& held = connections_[handle];
        if (!held.connection || held.record.has_ended()) continue;
        if (held.is_idle && context_.now() >= held.idle_until) {
            take_out_of_idle(handle);
            quit(handle);
        } else {
            held.connection->on_deadline();
            begin_silence_if_due(handle);
            rearm(handle);
        }
    }
    for (const auto handle : std::exchange(ended_, {})) {
        const auto& held = connections_[handle];
        if (!held.is_judged) addresses_.learnt_nothing(held.attempt, context_.now());
        connections_.remove(handle);
    }
}

std::optional<Instant> ConnectionPool::next_wakeup() const { return timers_.next(); }

void ConnectionPool::take_out_of_idle(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (!std::exchange(held.is_idle, false)) return;
    idle_.erase(held.in_idle);
    std::erase(sites_[held.record.site()].idle, handle);
    rearm(handle);
}

void ConnectionPool::release(ConnectionHandle handle) {
    auto& held = connections_[handle];
    take_out_of_idle(handle);
    end_silence(held);
    timers_.clear(handle);
    --held.host->connections;
    sink_.on_host_room(held.host);
    --sites_[held.record.site()].connections;
    --total_;
    if (std::exchange(held.makes_room, false)) --making_room_;
    ended_.push_back(handle);
    sites_.refresh(held.record.site());
    context_.request_tick();
}

void ConnectionPool::begin_silence_if_due(ConnectionHandle handle) {
    auto& held = connections_[handle];
    const auto since = held.record.silent_since();
    if (held.silence || !since || context_.now() - *since < SilentConnections::silence_min) return;
    auto& site = sites_[held.record.site()];
    auto& host = *held.host;
    held.silence = Held::Silence{*since, site.silent.add(site.last_answer > *since),
                                 host.silent.add(host.last_answer > *since)};
    sink_.on_event(handle, Silent{});
    sink_.on_host_room(held.host);
    sites_.refresh(held.record.site());
}

void ConnectionPool::end_silence(Held& held) {
    if (!held.silence) return;
    sites_[held.record.site()].silent.remove(held.silence->of_site);
    held.host->silent.remove(held.silence->of_host);
    held.silence.reset();
}

void ConnectionPool::rearm(ConnectionHandle handle) {
    auto& held = connections_[handle];
    if (!held.connection || held.record.has_ended()) return;
    const auto silent_since = held.record.silent_since();
    if (held.silence && silent_since != held.silence->since) end_silence(held);
    auto deadline = held.record.deadline();
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
