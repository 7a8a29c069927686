#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "mta/base/handle_timers.h"
#include "mta/outbound/attempt/connection.h"
#include "mta/outbound/connection_handle.h"
#include "mta/outbound/context.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/host_limits.h"
#include "mta/outbound/destination/site.h"
#include "queue/scheduler.h"
#include "queue/slab.h"

namespace mta::outbound {

// Owns every connection of the shard: counts them (for each site and in all), keeps idle ones for
// the next delivery, watches their deadlines, and destroys them in tick(), when none of their
// callbacks can be on the stack.
//
// The handle of a connection is valid until on_end.
class ConnectionPool {
public:
    struct Handlers {
        std::function<void(ConnectionHandle connection)> on_ready;
        std::function<void(ConnectionHandle connection)> on_room;
        std::function<void(ConnectionHandle connection)> on_body_out;
        // For SilentConnections::silence_min, in a transaction.
        std::function<void(ConnectionHandle connection)> on_silent;
        std::function<void(ConnectionHandle connection, Connection::TransactionEnd)>
            on_transaction_end;
        // Already out of the site's and the total count.
        std::function<void(ConnectionHandle connection, const std::optional<DeliveryError>&)>
            on_end;
        // A host may have room for another connection.
        std::function<void(const HostLimits::HostPtr&)> on_host_room;
    };

    struct Parts {
        SiteTable& sites;
        AddressHealth& addresses;
        queue::Scheduler& scheduler;  // for its jitter
        Connection::Parts connections;
    };
    ConnectionPool(Context& context, Parts parts, Handlers handlers)
        : context_(context),
          sites_(parts.sites),
          addresses_(parts.addresses),
          scheduler_(parts.scheduler),
          connection_parts_(parts.connections),
          handlers_(std::move(handlers)),
          timers_(context.now()) {}

    // Open in all: on the way, at work, idle, closing.
    [[nodiscard]] std::uint32_t total() const { return total_; }
    [[nodiscard]] Connection& operator[](ConnectionHandle handle) {
        return *connections_[handle].connection;
    }
    [[nodiscard]] const Connection& operator[](ConnectionHandle handle) const {
        return *connections_[handle].connection;
    }
    [[nodiscard]] queue::SiteHandle site_of(ConnectionHandle handle) const {
        return connections_[handle].site;
    }

    // Whom a connection is for, beside its site.
    struct Peer {
        HostLimits::HostPtr host;
        AddressHealth::Attempt attempt;
        std::uint32_t epoch = 0;  // of the host's limit when it began
    };
    [[nodiscard]] ConnectionHandle open(queue::SiteHandle site, Connection::Target target,
                                        HostLimits::HostPtr host);
    // Good until the tick after on_end.
    [[nodiscard]] const Peer& peer(ConnectionHandle handle) const {
        return connections_[handle].peer;
    }
    // An idle connection of the site, no longer idle. Empty: there is none.
    [[nodiscard]] ConnectionHandle take_idle(queue::SiteHandle site);
    // Nothing is active on it: it is kept for `delivery.idle_timeout`, or closed if it has carried
    // enough or may not be kept.
    void park(ConnectionHandle handle);
    // Some sites want a connection, and there may be no more: closes as many of those that have
    // been idle longest, of whatever site, together with those that are being closed for this
    // already.
    void make_room(std::size_t wanted);
    void close_idle();
    void close_idle(queue::SiteHandle site);
    // The one that has been idle longest of those to the host, if any is: somebody waits for it.
    void close_idle_to(const HostLimits::Host& host);
    // Those of the site that come from that source.
    void close_idle_from(queue::SiteHandle site, std::string_view source);
    // It has carried as many messages as the site's limits let it, or the site no longer wants its
    // source.
    [[nodiscard]] bool is_used_up(ConnectionHandle handle) const;
    // How a transaction on it ended, or its beginning, tells of the address and the host.
    void note_hello(ConnectionHandle handle);
    void note_success(ConnectionHandle handle);
    void note_failure(ConnectionHandle handle, const DeliveryError& error);
    // The session broke after EHLO. That says something of the address only if nothing has worked
    // there for a while: it hung.
    void note_break(ConnectionHandle handle, const DeliveryError& error);
    // The host has said that it has too many connections, to this one.
    void note_too_many(ConnectionHandle handle);
    // Ends it as if the host had closed it: this relay stops.
    void cut(ConnectionHandle handle);
    // Ends it without on_end.
    void abort(ConnectionHandle handle);

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

private:
    struct Held {
        std::unique_ptr<Connection> connection;
        queue::SiteHandle site;
        Peer peer;
        // Nothing: the host is not silent, or not for long.
        struct Silence {
            Instant since;
            SilentConnections::Mark of_site;
            SilentConnections::Mark of_host;
        };
        std::optional<Silence> silence;
        bool is_judged = false;  // the address's health has heard of its failure
        bool is_idle = false;
        bool makes_room = false;  // is being closed for another one
        Instant idle_until;
        std::list<ConnectionHandle>::iterator in_idle;
    };

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
    Connection::Parts connection_parts_;
    Handlers handlers_;
    queue::Slab<Held, ConnectionHandle> connections_;
    std::list<ConnectionHandle> idle_;  // of all sites, the longest idle first
    std::vector<ConnectionHandle> ended_;
    std::uint32_t total_ = 0;
    std::uint32_t making_room_ = 0;
    HandleTimers<ConnectionHandle> timers_;
};

}  // namespace mta::outbound
