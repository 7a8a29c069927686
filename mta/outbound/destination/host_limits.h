#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "mta/base/time.h"
#include "mta/outbound/destination/recent_map.h"
#include "mta/outbound/destination/silent_connections.h"
#include "queue/concurrency.h"
#include "queue/handles.h"

namespace mta::outbound {

// How many connections each host may have, by its name, whatever sites lead to it: a limit that
// follows what the host bears. An attempt that finds no room waits in the host's queue (HostQueue)
// and is called when there is some, in the order of coming: as many attempts as there is room for,
// and another one for each that does not come.
//
// A host that says that it has too many connections gets no more than it had then. If it had none
// of ours, it is closed for a while, at growing intervals.
class HostLimits {
public:
    struct Host {
        std::string name;
        queue::Concurrency concurrency;
        std::uint32_t most = 0;         // the configured maximum
        std::uint32_t connections = 0;  // of ours
        SilentConnections silent;       // of those
        Instant last_answer;            // about a message
        std::uint32_t called = 0;       // from the queue, on their way: a slot is kept for each
        std::uint32_t refusals = 0;     // in a row, while we had no other connection
        Instant closed_until;
        std::deque<queue::SiteHandle> line;  // the sites that wait, each once
    };
    using HostPtr = std::shared_ptr<Host>;

    static constexpr Millis closed_min{15'000};
    static constexpr Millis closed_max{300'000};

    HostLimits();

    // The host is not forgotten while a caller keeps the pointer.
    [[nodiscard]] HostPtr host(const std::string& name, queue::ConcurrencyPolicy policy);
    // `own_places`: the slots that are kept for the caller.
    [[nodiscard]] static bool has_room(const Host& host, Instant now,
                                       std::uint32_t own_places = 0) {
        const auto taken = host.connections + host.called - own_places;
        return taken < connections_limit(host) && host.closed_until <= now;
    }
    // What it bears, and more if some are silent.
    [[nodiscard]] static std::uint32_t connections_limit(const Host& host) {
        return host.silent.limit(host.concurrency.limit(), host.most, true);
    }
    // `others`: connections of ours beside the one that was refused. `jitter` in [-1, 1].
    static void note_too_many(Host& host, std::uint32_t others, Instant now, double jitter);
    static void note_success(Host& host, Instant now) {
        host.refusals = 0;
        host.last_answer = now;
        host.silent.on_answer();
        host.concurrency.on_success(host.connections);
    }
    [[nodiscard]] std::size_t size() const { return known_.size(); }

private:
    RecentMap<std::string, HostPtr> known_;
};

}  // namespace mta::outbound
