#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mta/base/handle_timers.h"
#include "mta/outbound/attempt/connection.h"
#include "mta/outbound/attempt/connection_event.h"
#include "mta/outbound/connection_handle.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/host_limits.h"
#include "mta/outbound/destination/site_table.h"
#include "queue/scheduler.h"
#include "queue/slab.h"

namespace mta::outbound {

// What the pool knows of a connection: values, as of its last event or command.
class ConnectionRecord {
public:
    [[nodiscard]] queue::SiteHandle site() const { return site_; }
    [[nodiscard]] const Connection::Target& target() const { return target_; }
    [[nodiscard]] const std::string& remote() const { return remote_; }  // "mx1 [192.0.2.1]:25"
    // What the host offered in reply to EHLO.
    [[nodiscard]] const smtp::Capabilities& capabilities() const { return capabilities_; }
    [[nodiscard]] bool has_ended() const { return state_.has_ended; }
    [[nodiscard]] bool can_start() const { return state_.can_start; }
    [[nodiscard]] bool is_past_final_dot() const { return state_.is_past_final_dot; }
    [[nodiscard]] std::optional<Instant> deadline() const { return state_.deadline; }
    [[nodiscard]] std::optional<Instant> silent_since() const { return state_.silent_since; }
    [[nodiscard]] std::optional<std::size_t> recipient_awaited() const {
        return state_.recipient_awaited;
    }
    // Transactions that are started and not ended, and all that were ever started.
    [[nodiscard]] std::uint32_t active() const { return active_; }
    [[nodiscard]] std::uint32_t started() const { return started_; }

private:
    friend class ConnectionPool;

    queue::SiteHandle site_;
    Connection::Target target_;
    std::string remote_;
    smtp::Capabilities capabilities_;
    ConnectionState state_;
    std::uint32_t active_ = 0;
    std::uint32_t started_ = 0;
    bool is_traced_ = false;
};

// Keeps the books on all connections of the shard: counts them (for each site and in all), keeps
// idle ones for the next delivery, watches their deadlines, and destroys them in tick(), when none
// of their callbacks can be on the stack. Every command to a connection and every event of it
// passes here; its owner sees handles and values.
//
// The handle of a connection is valid until its ConnectionEnded has been dealt with; its record
// until the next tick().
class ConnectionPool {
public:
    // The host has been silent for SilentConnections::silence_min in a transaction.
    struct Silent {};
    // What happened on a connection. When ConnectionEnded comes, the connection is already out of
    // the counts of its site and in all.
    using Event = std::variant<ConnectionReady, ConnectionRoom, BodyOut, Silent, TransactionEnd,
                               ConnectionEnded>;
    struct Sink {
        std::function<void(ConnectionHandle connection, Event event)> on_event;
        // A host may have room for another connection.
        std::function<void(const HostLimits::HostPtr& host)> on_host_room;
    };

    // What connections use and are counted in.
    struct World {
        io::Connector& connector;
        queue::Store& store;
        Tracing& tracing;
        Counters& totals;
        Latencies& latencies;
    };
    struct Parts {
        SiteTable& sites;
        AddressHealth& addresses;
        queue::Scheduler& scheduler;  // for its jitter
        World world;
    };
    ConnectionPool(Context& context, Parts parts, Sink sink);

    // Open in all: on the way, at work, idle, closing.
    [[nodiscard]] std::uint32_t total() const { return total_; }
    [[nodiscard]] const ConnectionRecord& operator[](ConnectionHandle handle) const {
        return connections_[handle].record;
    }

    // ---- Commands ----

    [[nodiscard]] ConnectionHandle open(queue::SiteHandle site, Connection::Target target,
                                        HostLimits::HostPtr host);
    // A transaction for some recipients (indices into message->envelope.recipients), if can_start().
    // To be followed by pump(), unless within the sink.
    void start(ConnectionHandle handle, std::shared_ptr<const queue::Message> message,
               const std::vector<std::uint32_t>& recipients);
    // Reports what the command before it has brought about: some transactions end at once.
    void pump(ConnectionHandle handle);
    // Says QUIT; only when no transaction is active. ConnectionEnded comes.
    void quit(ConnectionHandle handle);
    // Ends it as if the host had closed it: this relay stops.
    void cut(ConnectionHandle handle);
    // Ends it without an event.
    void abort(ConnectionHandle handle);

    // ---- Idle connections ----

    // An idle connection of the site, which is no longer idle then. Empty if there is none.
    [[nodiscard]] ConnectionHandle take_idle(queue::SiteHandle site);
    // Only if no transaction is active on it. It is kept for `delivery.idle_timeout`, or closed if
    // it has carried enough or may not be kept.
    void park(ConnectionHandle handle);
    // So many sites want a connection, and there may be no more. Closes as many of those that have
    // been idle longest, whatever their site; those that are being closed for this already count.
    void make_room(std::size_t wanted);
    void close_idle();
    void close_idle(queue::SiteHandle site);
    // Closes the one that has been idle longest of those to the host, if any is: an attempt waits
    // for its place.
    void close_idle_to(const HostLimits::Host& host);
    // Closes those of the site that come from that source.
    void close_idle_from(queue::SiteHandle site, std::string_view source);
    // It has carried as many messages as the site's limits let it, or the site no longer wants its
    // source.
    [[nodiscard]] bool is_used_up(ConnectionHandle handle) const;

    // ---- What transactions say about address and host ----

    // The address is up.
    void note_hello(ConnectionHandle handle);
    void note_success(ConnectionHandle handle);
    void note_failure(ConnectionHandle handle, const DeliveryError& error);
    // The session broke after EHLO. That counts against the address only if nothing has worked
    // there for a while: then the host hung.
    void note_break(ConnectionHandle handle, const DeliveryError& error);
    // The host has said that it has too many connections, to this one.
    void note_too_many(ConnectionHandle handle);

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

private:
    struct Held {
        std::unique_ptr<Connection> connection;
        ConnectionRecord record;
        HostLimits::HostPtr host;
        AddressHealth::Attempt attempt;
        std::uint32_t epoch = 0;  // of the host's limit when the connection began
        struct Silence {
            Instant since;
            SilentConnections::Mark of_site;
            SilentConnections::Mark of_host;
        };
        std::optional<Silence> silence;  // if the host has been silent for long
        bool is_judged = false;          // its failure is counted against the address
        bool is_idle = false;
        bool makes_room = false;  // is being closed for another one
        Instant idle_until;
        std::list<ConnectionHandle>::iterator in_idle;
    };

    void on_event(ConnectionHandle handle, const ConnectionState& state, ConnectionEvent event);
    [[nodiscard]] Connection::Setup setup_for(ConnectionRecord& record);
    [[nodiscard]] std::optional<Connection::Trace> trace_for(
        ConnectionRecord& record, const queue::Message& message,
        const std::vector<std::uint32_t>& recipients);
    bool close_longest_idle();
    void take_out_of_idle(ConnectionHandle handle);
    void release(ConnectionHandle handle);
    void begin_silence_if_due(ConnectionHandle handle);
    void end_silence(Held& held);
    void rearm(ConnectionHandle handle);

    Context& context_;
    SiteTable& sites_;
    AddressHealth& addresses_;
    queue::Scheduler& scheduler_;
    World world_;
    Sink sink_;
    Connection::Ports ports_;
    queue::Slab<Held, ConnectionHandle> connections_;
    std::list<ConnectionHandle> idle_;  // of all sites, the longest idle first
    std::vector<ConnectionHandle> ended_;
    std::uint32_t total_ = 0;
    std::uint32_t making_room_ = 0;
    HandleTimers<ConnectionHandle> timers_;
};

}  // namespace mta::outbound
