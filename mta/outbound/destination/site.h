#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mta/outbound/connection_handle.h"
#include "mta/outbound/destination/asked_addresses.h"
#include "mta/outbound/destination/delivery_hours.h"
#include "mta/outbound/destination/missing_keywords.h"
#include "mta/outbound/destination/silent_connections.h"
#include "mta/outbound/destination/site_limits.h"
#include "mta/outbound/destination/site_plan.h"
#include "mta/outbound/destination/site_sources.h"
#include "mta/outbound/destination/site_turns.h"
#include "mta/outbound/destination/suspect_mailboxes.h"
#include "queue/destination.h"

namespace mta::outbound {

// How many connections a site or a host begins with, and how many it may have.
[[nodiscard]] queue::ConcurrencyPolicy concurrency_policy(bool is_static, std::uint32_t most);

// A destination with what the queue manager needs beside it.
struct Site {
    Site() : destination({}, {}) {}
    Site(SitePlan site_plan, queue::DestinationPolicy policy)
        : plan(std::move(site_plan)), destination(plan.name, policy), hours(plan.deliver_between) {}

    SitePlan plan;
    SiteRule rule;  // of the [[site]]s, by its hosts and all domains that are routed here
    SiteLimits limits;
    SiteSources sources;
    queue::Destination destination;
    DeliveryHours hours;                 // destination.is_closed() follows them
    std::vector<ConnectionHandle> idle;  // in the pool; the last one used is taken first
    std::uint32_t connections = 0;       // on the way, at work, idle, closing
    SilentConnections silent;            // of those at work
    SuspectMailboxes suspects;
    std::uint32_t unconnected = 0;  // attempts that have yet to open one
    std::uint32_t domains = 0;      // that are routed here
    // Attempts, of all kinds, in which a host could not be spoken to: what waits here knows by it
    // whether it was tried for meanwhile.
    std::uint32_t failed_attempts = 0;
    SiteTurns::Seat seat;  // where it waits for its turn
    Instant last_answer;   // of a host, about a message; Instant{}: none is known
    // An attempt of its own waits for room at a host: no other one looks there before.
    bool is_waiting_for_host = false;
    // An attempt of its own has been looking a host up for long: no other one asks before it knows.
    bool is_looking_up = false;
    // An attempt has waited, and its host is as full as before: one at a time looks for room.
    bool knows_full_host = false;
    // The site has connections, and waits because only the last quarter is left.
    bool is_crowded_out = false;
    MissingKeywords missing;
    struct KnownAddress {
        std::string host;
        Endpoint endpoint;
    };
    std::vector<KnownAddress> addresses;  // of its hosts, as far as they were looked up lately
    AskedAddresses asked;
    // Our IPv6 address was refused for want of a name: until then IPv4 comes first.
    Instant prefers_v4_until;

    // What the next attempt would take from the rates, and what it waits for.
    [[nodiscard]] queue::Destination::Needs needs() const {
        return {.message = true, .connection = idle.empty()};
    }
    [[nodiscard]] queue::Destination::Wait wait(Instant now) const;
    // The number that the site bears, and more if some are silent. The additional connections that
    // find out whether it is silent to all mail are only for a site that has answered lately, or
    // that is silent at mailboxes whose other mail stands aside.
    [[nodiscard]] std::uint32_t connections_limit(Instant now) const {
        return silent.limit(destination.limit(), limits.connections_max,
                            has_answered_lately(now) || suspects.are_any_held());
    }
    [[nodiscard]] bool may_start(Instant now) const {
        return wait(now) == queue::Destination::Wait::turn;
    }
    [[nodiscard]] bool has_answered_lately(Instant now) const {
        return last_answer != Instant{} && now - last_answer < answer_counts_for;
    }
    [[nodiscard]] Standing standing(Instant now) const;
    [[nodiscard]] bool is_unused() const {
        return domains == 0 && connections == 0 && destination.delivering() == 0 &&
               destination.waiting() == 0;
    }
};

}  // namespace mta::outbound
