#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/handle_timers.h"
#include "mta/base/pending.h"
#include "mta/outbound/context.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/routing/route.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/health.h"
#include "queue/scheduler.h"

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
        std::function<void(queue::DomainHandle domain)> on_routed;
        // There is none and never will be: NXDOMAIN, null MX. What is in line has failed.
        std::function<void(queue::DomainHandle domain, const DeliveryError& error)> on_unroutable;
        // Mail that waits for a site it went to before has to go elsewhere now.
        std::function<void(queue::DomainHandle domain)> on_moved;
    };

    struct Parts {
        dns::Resolver& resolver;
        queue::Scheduler& scheduler;
        queue::BundleSlab& bundles;
        const SourceTable& sources;
        SiteTable& sites;
    };
    Router(Context& context, Parts parts, Handlers handlers);

    [[nodiscard]] static std::optional<Millis> lifetime_of(const RouteTable& routes,
                                                           std::string_view domain);

    [[nodiscard]] std::string_view source_of(const queue::MessageEntry& message) const {
        return sources_.pool_of_sender(scheduler_.table().sender(message));
    }
    // Where mail for the domain goes now. Empty if that is not known; then the caller park()s the
    // bundle.
    [[nodiscard]] queue::SiteHandle site_for(queue::DomainHandle domain, std::string_view source);
    // Mail for it is in the line of a site, and site_for() does not know whether that is right
    // still: the DNS is asked.
    void look_up_anew(queue::DomainHandle domain);
    void park(queue::DomainHandle domain, queue::BundleHandle bundle);
    void unpark(queue::DomainHandle domain, queue::BundleHandle bundle);
    // The first bundle in line, if there is one.
    [[nodiscard]] queue::BundleHandle first_parked(queue::DomainHandle domain) const;

    struct View {
        queue::SiteHandle site;
        bool has_no_room = false;            // too many look-ups are under way
        std::optional<Instant> asked_since;  // the name servers; nothing: no look-up is under way
        const queue::Health* health = nullptr;
    };
    // Of the sites that mail for the domain goes to, the one for mail from that source or, if there
    // is none (yet), the first.
    [[nodiscard]] View view(queue::DomainHandle domain, std::string_view source = {}) const;
    // All of them.
    [[nodiscard]] std::vector<queue::SiteHandle> sites_of(queue::DomainHandle domain) const;
    [[nodiscard]] bool is_static(queue::DomainHandle domain) const;
    // How many look-ups of the domain have failed.
    [[nodiscard]] std::uint32_t failures_of(queue::DomainHandle domain) const;

    // After the settings were replaced: every domain is routed anew at its next attempt.
    void apply_settings();
    // The table has domains that no recipient has any more: they are forgotten after a while.
    void note_unused(const std::vector<queue::DomainHandle>& domains);
    // An administrator's order: the DNS is asked, whatever is remembered, if mail for the domain
    // waits for that, or for destinations that are down, which may have moved.
    void probe_now(queue::DomainHandle domain);

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const { return timers_.next(); }
    // For tests: says what is wrong if a line has neither a look-up under way nor a timer.
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
        queue::SiteHandle site;
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

    [[nodiscard]] Entry& entry(queue::DomainHandle domain);
    // Null if nothing is known.
    [[nodiscard]] Entry* find(queue::DomainHandle domain) const;
    [[nodiscard]] std::optional<SitePlan> plan_for_domain(const Entry& entry,
                                                          const std::string& name,
                                                          std::string_view source) const;
    void forget_sites(Entry& entry);
    // One of those sites is no longer where mail of that source goes.
    [[nodiscard]] bool has_moved(queue::DomainHandle domain, const std::vector<Routed>& former);
    // As fresh an answer as its health asks for, or better.
    void look_up(queue::DomainHandle domain, dns::Freshness freshness = dns::Freshness::cached);
    void on_answer(queue::DomainHandle domain, const dns::Lookup<dns::MxAnswer>& answer);
    // Nothing was asked: no failure of the domain.
    void wait_for_room(queue::DomainHandle domain);
    void look_up_next_without_room();

    Context& context_;
    dns::Resolver& resolver_;
    queue::Scheduler& scheduler_;
    queue::BundleSlab& bundles_;
    const SourceTable& sources_;
    SiteTable& sites_;
    Handlers handlers_;
    SettingsPtr routed_by_;  // routes_ refers into it
    RouteTable routes_;
    std::vector<std::unique_ptr<Entry>> entries_;  // by the domain's index; null: nothing known
    HandleTimers<queue::DomainHandle> timers_;  // DNS probes, room for look-ups, end of the unused
    Pending look_ups_;
    std::deque<queue::DomainHandle> no_room_;  // those in another state by now are passed over
};

}  // namespace mta::outbound
