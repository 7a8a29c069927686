#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "mta/outbound/attempt/attempt_end.h"
#include "mta/outbound/attempt/attempt_table.h"
#include "mta/outbound/attempt/connection_pool.h"
#include "mta/outbound/attempt/host_look_ups.h"
#include "mta/outbound/attempt/host_queue.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/tracing.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/host_keywords.h"
#include "mta/outbound/destination/host_limits.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// The part of attempts that is spent on the way to a connection: follows each attempt's HostWalk,
// looks hosts up, queues at full ones, pauses for the rates, and opens connections.
class Approach {
public:
    struct Parts {
        SiteTable& sites;
        AddressHealth& addresses;
        AttemptTable& table;
        ConnectionPool& pool;
        HostQueue& queue;
        HostLimits& hosts;
        HostKeywords& keywords;
        AttemptEnd& end;
        HostLookUps& look_ups;
        queue::Scheduler& scheduler;
        const SourceTable& sources;
        Tracing& tracing;
    };
    Approach(Context& context, Parts parts) : context_(context), parts_(parts) {}

    // The attempt begins its way, or begins it again if that has to be planned anew, or goes on.
    // It may have ended afterwards.
    void walk(AttemptHandle handle);
    // The same for a way that is planned.
    void go_on(AttemptHandle handle);

    // The host's limit, which holds for all sites that lead there.
    [[nodiscard]] HostLimits::HostPtr host_for(queue::SiteHandle site,
                                               const conf::NextHopHost& host);
    // When the first recipient is given up. Instant::max(): none is before it was tried.
    [[nodiscard]] Instant first_expiry(const Attempt& attempt) const;

    // Connections that are open or are going to be.
    [[nodiscard]] std::uint32_t connections() const;
    // From this many open connections on, the rest (the last quarter) is reserved: see
    // connections_max_for().
    [[nodiscard]] std::uint32_t crowded_from() const;
    // The site may open another connection while fewer than this are open. It is
    // delivery.connections for a site that has no connection, or has all that are open, and
    // crowded_from() for every other site.
    [[nodiscard]] std::uint32_t connections_max_for(queue::SiteHandle site) const;
    // The site may open another connection now.
    [[nodiscard]] bool is_place_left(queue::SiteHandle site) const;

private:
    [[nodiscard]] Result<HostWalk::Plan> plan_for(const Attempt& attempt);
    [[nodiscard]] HostWalk::Surroundings surroundings_of(Attempt& attempt);
    [[nodiscard]] bool resolve(AttemptHandle handle, const conf::NextHopHost& host);
    void take_found(AttemptHandle handle, const conf::NextHopHost& host,
                    const HostLookUps::Found& found);
    void on_found(AttemptHandle handle, const conf::NextHopHost& host,
                  const HostLookUps::Found* found);
    void queue_at(AttemptHandle handle, const HostLimits::HostPtr& host);
    void connect(AttemptHandle handle, const HostWalk::Connect& step);
    [[nodiscard]] Connection::Target target_for(const Attempt& attempt, const Endpoint& endpoint);

    Context& context_;
    Parts parts_;
};

}  // namespace mta::outbound
