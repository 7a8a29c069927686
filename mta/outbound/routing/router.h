#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/timer_wheel.h"
#include "mta/outbound/core.h"
#include "mta/outbound/destination/site.h"
#include "mta/outbound/routing/route.h"
#include "queue/health.h"

namespace mta::outbound {

// Knows for each domain with mail the site that its mail goes to: by static route, or by MX, looked
// up when the first bundle needs it and again when the records have aged. Bundles wait here, in
// their domain's line, while the DNS is asked; a domain that cannot be looked up is down as a
// destination can be, and looked up again by one probe at a time.
//
// Mail of senders with a pool of [[source]]s of their own has a site of its own, unless its route
// names a pool. `source`, here: the sender's pool, as source_of() says it.
class Router {
public:
    struct Handlers {
        // The site for the bundles in the domain's line is known now.
        std::function<void(std::uint32_t domain)> on_routed;
        // There is none and never will be: NXDOMAIN, null MX. What is in line has failed.
        std::function<void(std::uint32_t domain, const DeliveryError& error)> on_unroutable;
        // Mail that waits for a site it went to before has to go elsewhere now.
        std::function<void(std::uint32_t domain)> on_moved;
    };

    Router(Core& core, SiteTable& sites, Handlers handlers);

    [[nodiscard]] static std::optional<Millis> lifetime_of(const RouteTable& routes,
                                                           std::string_view domain);

    [[nodiscard]] std::string_view source_of(const queue::MessageEntry& message) const {
        return core_.sources.pool_of_sender(core_.scheduler.table().sender(message));
    }
    // Where mail for the domain goes now. Nothing: not known; park() the bundle.
    [[nodiscard]] std::optional<std::uint32_t> site_for(std::uint32_t domain,
                                                        std::string_view source);
    // Mail for it is in the line of a site, and site_for() does not know whether that is right
    // still: the DNS is asked.
    void look_up_anew(std::uint32_t domain);
    void park(std::uint32_t domain, std::uint32_t bundle);
    void unpark(std::uint32_t domain, std::uint32_t bundle);
    // The first bundle in line; queue::nothing if there is none.
    [[nodiscard]] std::uint32_t first_parked(std::uint32_t domain) const;

    struct View {
        std::uint32_t site = queue::nothing;
        bool has_no_room = false;            // too many look-ups are under way
        std::optional<Instant> asked_since;  // the name servers; nothing: no look-up is under way
        const queue::Health* health = nullptr;
    };
    // Of the sites that mail for the domain goes to, the one for mail from that source or, if there
    // is none (yet), the first.
    [[nodiscard]] View view(std::uint32_t domain, std::string_view source = {}) const;
    // All of them.
    [[nodiscard]] std::vector<std::uint32_t> sites_of(std::uint32_t domain) const;
    [[nodiscard]] bool is_static(std::uint32_t domain) const;
    // How many look-ups of the domain have failed.
    [[nodiscard]] std::uint32_t failures_of(std::uint32_t domain) const;

    // After core.settings was replaced: every domain is routed anew at its next attempt.
    void apply_settings();
    // The table has domains that no recipient has any more: they are forgotten after a while.
    void note_unused(const std::vector<std::uint32_t>& domains);
    // An administrator's order: the DNS is asked, whatever is remembered, if mail for the domain
    // waits for that, or for destinations that are down, which may have moved.
    void probe_now(std::uint32_t domain);

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const { return wheel_.next(); }
    // For tests: every line has a look-up under way or a timer. Empty: yes; else what is wrong.
    [[nodiscard]] std::string check() const;
    [[nodiscard]] const RouteTable& routes() const { return routes_; }

private:
    static constexpr Millis linger{60'000};
    // The records' TTL is kept, within these: a short one would cost a look-up a message.
    static constexpr Millis route_ttl_min{60'000};
    static constexpr Millis route_ttl_max{3'600'000};

    // While too many look-ups are under way, a domain waits for room, as it would in the line of
    // the resolver: after each answer it is the next one's turn, and after room_wait in any case.
    static constexpr Millis room_wait{10'000};
    enum class LookUp : std::uint8_t { none, asked, no_room };

    struct Routed {
        std::string source;
        std::uint32_t site = queue::nothing;
    };
    struct Entry {
        std::vector<Routed> routed;  // one for each source that has had mail; most have one
        MxLookup mx;                 // what the DNS said; null: nothing yet, or a static route
        Instant valid_until;
        queue::Health health;  // of the DNS for it
        queue::BundleLine line;
        std::uint32_t failed_look_ups = 0;
        LookUp look_up = LookUp::none;
        Instant asked_at;                 // the last look-up began
        bool is_in_no_room_line = false;  // whatever look_up has become meanwhile
    };

    [[nodiscard]] Entry& entry(std::uint32_t domain);
    [[nodiscard]] std::optional<SitePlan> plan_for_domain(const Entry& entry,
                                                          const std::string& name,
                                                          std::string_view source) const;
    void forget_sites(Entry& entry);
    // One of those sites is no longer where mail of that source goes.
    [[nodiscard]] bool has_moved(std::uint32_t domain, const std::vector<Routed>& former);
    // As fresh an answer as its health asks for, or better.
    void look_up(std::uint32_t domain, dns::Freshness freshness = dns::Freshness::cached);
    void on_answer(std::uint32_t domain, const dns::Lookup<dns::MxAnswer>& answer);
    // Nothing was asked: no failure of the domain.
    void wait_for_room(std::uint32_t domain);
    void look_up_next_without_room();

    Core& core_;
    SiteTable& sites_;
    Handlers handlers_;
    QueueManager::SettingsPtr routed_by_;  // routes_ refers into it
    RouteTable routes_;
    std::vector<std::unique_ptr<Entry>> entries_;  // by domain index; null: nothing known
    TimerWheel wheel_;                   // DNS probes, room for look-ups, the end of the unused
    std::deque<std::uint32_t> no_room_;  // domains; those in another state by now are passed over
    std::vector<std::uint32_t> fired_;
};

}  // namespace mta::outbound
