#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/timer_wheel.h"
#include "mta/outbound/asked_addresses.h"
#include "mta/outbound/core.h"
#include "mta/outbound/delivery_hours.h"
#include "mta/outbound/hint.h"
#include "mta/outbound/missing_keywords.h"
#include "mta/outbound/site_limits.h"
#include "mta/outbound/site_sources.h"
#include "queue/destination.h"
#include "queue/slab.h"

namespace mta::outbound {

// What makes a destination: mail that differs in any of these shares neither connections nor limits
// nor health.
struct SiteIdentity {
    std::string_view next_hop;  // "route exchange.lan:25", "mx mx1.them.example,mx2.them.example"
    std::string_view source = {};      // the pool of [[source]]s; empty: the system's choice
    std::string_view tls_policy = {};  // empty: none
    std::string_view hours = {};       // "22:00-06:00"; empty: always
};
[[nodiscard]] std::string site_key(const SiteIdentity& identity);

// Where a destination's hosts come from, and by that what is one destination: domains with the same
// static route, or with the same MX hosts in the same order of preference, share it with its limits
// and connections, as long as their mail comes from the same pool of sources. (A host's health and
// limit are the host's own, whatever destinations it is in.)
struct SitePlan {
    std::string key;  // of the site: what is the same is one
    // For people, and another one for each key: "mx1.them.example,mx2.them.example from pool" (a
    // slash in place of the comma between equals), "exchange.lan:25 at 22:00-06:00".
    std::string name;
    std::string source;  // the pool of [[source]]s that its connections come from; empty: none
    bool is_static = false;
    std::vector<conf::NextHopHost> hosts;      // static: in order of preference
    std::vector<DailyWindow> deliver_between;  // static: its hours; empty: always
    std::string mx_domain;                     // by MX: one of the domains,
    // and what the DNS said; null: a literal
    std::shared_ptr<const dns::Lookup<dns::MxAnswer>> mx;
};
using MxLookup = std::shared_ptr<const dns::Lookup<dns::MxAnswer>>;
[[nodiscard]] SitePlan plan_for_route(const conf::Route& route, std::string_view source = {});
// Only for an answer that leaves hosts to try: records, or no_data (the domain itself is the host).
[[nodiscard]] SitePlan plan_for_mx(const std::string& domain, MxLookup answer,
                                   std::string_view source = {});
[[nodiscard]] SitePlan plan_for_literal(const std::string& domain, std::string_view source = {});

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
    DeliveryHours hours;              // destination.is_closed() follows them
    std::vector<std::uint32_t> idle;  // in the pool; the last one used is taken first
    std::uint32_t connections = 0;    // on the way, at work, idle, closing
    std::uint32_t unconnected = 0;    // deliveries that have yet to open one
    std::uint32_t domains = 0;        // that are routed here
    // Attempts, of all kinds, in which a host could not be spoken to: what waits here knows by it
    // whether it was tried for meanwhile.
    std::uint32_t failed_attempts = 0;
    bool is_in_ring = false;
    // A delivery of its own waits for room at a host: nobody else needs to look there before.
    bool is_waiting_for_host = false;
    // A delivery of its own has looked up a host for long: nobody else needs to ask before it
    // knows.
    bool is_looking_up = false;
    // One has waited, and its host is as full as before: one at a time goes to look for room.
    bool knows_full_host = false;
    MissingKeywords missing;
    struct KnownAddress {
        std::string host;
        Endpoint endpoint;
    };
    std::vector<KnownAddress> addresses;  // of its hosts, as far as they were looked up lately
    AskedAddresses asked;
    // Our IPv6 address was refused for want of a name: until then IPv4 comes first.
    Instant prefers_v4_until;

    // What the next delivery would take from the rates, and what it waits for.
    [[nodiscard]] queue::Destination::Needs needs() const {
        return {.message = true, .connection = idle.empty()};
    }
    [[nodiscard]] queue::Destination::Wait wait(Instant now) const {
        using Wait = queue::Destination::Wait;
        const auto wait = destination.wait(now, needs());
        const bool is_looking = knows_full_host && unconnected > 0;
        const bool is_held_up =
            idle.empty() && (is_waiting_for_host || is_looking_up || is_looking);
        return wait == Wait::turn && is_held_up ? Wait::limit : wait;
    }
    [[nodiscard]] bool may_start(Instant now) const {
        return wait(now) == queue::Destination::Wait::turn;
    }
    [[nodiscard]] bool is_unused() const {
        return domains == 0 && connections == 0 && destination.delivering() == 0 &&
               destination.waiting() == 0;
    }
};

// All sites of the shard, and the ring of those that could start a delivery at once, which take
// turns at what the relay has in connections.
class SiteTable {
public:
    explicit SiteTable(Core& core) : core_(core), wheel_(core.now()) {}

    // The site of that key, with the plan brought up to date; made if there is none.
    std::uint32_t find_or_add(SitePlan plan);
    [[nodiscard]] Site& operator[](std::uint32_t index) { return sites_[index]; }
    [[nodiscard]] const Site& operator[](std::uint32_t index) const { return sites_[index]; }
    [[nodiscard]] std::uint32_t index_end() const { return sites_.index_end(); }
    [[nodiscard]] bool is_used(std::uint32_t index) const {
        return index < sites_.index_end() && !sites_[index].plan.key.empty();
    }

    // To be called after anything that changes what a site waits for: puts it into the ring, or
    // sets the timer of its probe, of what its rates allow next or of its hours.
    void refresh(std::uint32_t index);
    // An operator, or the destination itself, wants its mail now: a probe if it is down, and its
    // hours begin, once. `has_mail`: there is some, in line or about to be.
    void wake(std::uint32_t index, bool has_mail);
    // A delivery has ended: perhaps that was all that it was woken for.
    void end_wake_if_done(std::uint32_t index);
    // Those whose hours have ended since the last call: their idle connections are to be closed.
    [[nodiscard]] std::vector<std::uint32_t> take_closed() { return std::exchange(closed_, {}); }
    // Whose turn it is; nothing: nobody could start. The caller starts something and refresh()es,
    // or pass()es it over.
    [[nodiscard]] std::uint32_t front() const {
        return ring_.empty() ? queue::nothing : ring_.front();
    }
    // Sites that wait for their turn.
    [[nodiscard]] std::size_t turns_waiting() const { return ring_.size(); }
    // Out of the ring until the next refresh().
    void pass();

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const { return wheel_.next(); }
    // After core.settings was replaced; then a note_domain() for each domain that is routed.
    void apply_settings();
    // Mail for the domain goes to this site: a [[site]] may be for it.
    void note_domain(std::uint32_t index, const std::string& domain);
    // What a former process knew of sites; each is told its own when it is made.
    void restore(Hints hints);
    void add_hints(Hints& hints) const;
    // For tests: what waits for a site waits for something that comes. Empty: yes; else what is
    // wrong.
    [[nodiscard]] std::string check(bool are_connections_left) const;

private:
    // A site that nothing uses is forgotten after a while, one in trouble after more
    // than the longest time between two probes.
    static constexpr Millis linger_up{60'000};
    static constexpr Millis linger_down{7'200'000};

    [[nodiscard]] SiteRule rule_for(const SitePlan& plan) const;
    void set_rule(std::uint32_t index, SiteRule rule);
    void follow_hours(std::uint32_t index);

    Core& core_;
    queue::Slab<Site> sites_;
    std::unordered_map<std::string, std::uint32_t> by_key_;
    std::deque<std::uint32_t> ring_;
    std::vector<std::uint32_t> closed_;
    TimerWheel wheel_;  // probes, rates, hours, and the end of the unused
    std::vector<std::uint32_t> fired_;
    std::unordered_map<std::string, queue::Health::Trouble> hints_;  // by the sites' keys
};

}  // namespace mta::outbound
