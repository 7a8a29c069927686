#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/handle_timers.h"
#include "mta/outbound/connection_handle.h"
#include "mta/outbound/context.h"
#include "mta/outbound/destination/asked_addresses.h"
#include "mta/outbound/destination/delivery_hours.h"
#include "mta/outbound/destination/hint.h"
#include "mta/outbound/destination/missing_keywords.h"
#include "mta/outbound/destination/recent_map.h"
#include "mta/outbound/destination/silent_connections.h"
#include "mta/outbound/destination/site_limits.h"
#include "mta/outbound/destination/site_sources.h"
#include "mta/outbound/destination/suspect_mailboxes.h"
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

// How far a destination is known to answer, which decides when its mail gets one of the relay's
// connections (SiteTable).
enum class Standing : std::uint8_t {
    answering,  // it is up, and a host of it has answered about a message lately
    untried,    // nothing is known against it; or it has answered lately, and is down now
    silent,     // it is down, and has not answered lately
};
inline constexpr std::size_t standings = 3;
// Lately: within this.
inline constexpr Millis answer_counts_for{3'600'000};

// A place among the connections to destinations that have not answered (SiteTable).
enum class TrialPlace : std::uint8_t {
    untried,  // by the site's standing
    silent,
    sent,  // the body has left: the message may have been delivered, only the answer is missing
};
inline constexpr std::size_t trial_places = 3;

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
    std::uint32_t unconnected = 0;  // deliveries that have yet to open one
    std::uint32_t domains = 0;      // that are routed here
    // Attempts, of all kinds, in which a host could not be spoken to: what waits here knows by it
    // whether it was tried for meanwhile.
    std::uint32_t failed_attempts = 0;
    std::optional<Standing> ring;  // in which it waits for its turn
    std::list<queue::SiteHandle>::iterator in_ring;
    Instant last_answer;  // of a host, about a message; Instant{}: none is known
    // A delivery of its own waits for room at a host: nobody else needs to look there before.
    bool is_waiting_for_host = false;
    // A delivery of its own has looked up a host for long: nobody else needs to ask before it
    // knows.
    bool is_looking_up = false;
    // One has waited, and its host is as full as before: one at a time goes to look for room.
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

    // What the next delivery would take from the rates, and what it waits for.
    [[nodiscard]] queue::Destination::Needs needs() const {
        return {.message = true, .connection = idle.empty()};
    }
    [[nodiscard]] queue::Destination::Wait wait(Instant now) const {
        using Wait = queue::Destination::Wait;
        auto needed = needs();
        needed.beyond_limit = connections_limit(now) - destination.limit();
        const auto wait = destination.wait(now, needed);
        const bool is_looking = knows_full_host && unconnected > 0;
        const bool is_held_up =
            idle.empty() && (is_waiting_for_host || is_looking_up || is_looking);
        if (wait != Wait::turn) return wait;
        if (is_held_up) return Wait::limit;
        // If no delivery holds their mailboxes any more, Lines::make_way() lines them up again.
        return destination.in_line() == 0 && suspects.are_any_held() ? Wait::mailbox : wait;
    }
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
    [[nodiscard]] Standing standing(Instant now) const {
        const bool has_answered = has_answered_lately(now);
        if (destination.health().is_up())
            return has_answered || plan.is_static ? Standing::answering : Standing::untried;
        return has_answered ? Standing::untried : Standing::silent;
    }
    [[nodiscard]] bool is_unused() const {
        return domains == 0 && connections == 0 && destination.delivering() == 0 &&
               destination.waiting() == 0;
    }
};

// All sites of the shard, and the rings of those that could start a delivery at once, which take
// turns at what the relay has in connections (delivery.connections):
//
//   - A site that answers may have all of them except the last quarter, which is for sites that
//     have none yet (Approach::connections_max_for()). Otherwise sites that each have many
//     connections, and all hang at once, would occupy every connection.
//   - To a site that does not (Standing) a connection is a trial, until the host has answered about
//     a message. An answer to EHLO is not enough: a host may say nothing more at any stage.
//     Trials have a quarter of all connections, one at least, also while nobody else wants the
//     rest: a silent host holds its connection for minutes, and the next site that answers must not
//     wait for that. Half of the quarter, again one at least, is for those that were silent before.
//   - A trial whose message has left as a whole (TrialPlace::sent) is out of the quarter, since
//     hosts often take long for this answer. It is never broken off, or the message might arrive
//     twice. All trials together have three quarters of all connections.
//   - While a site waits for the place of a trial, a first attempt that has had no answer for
//     Trials::first_patience (in a transaction: no further answer) is broken off, and a probe after
//     Trials::probe_patience. Its site is silent then. One of four probes in a row, and one
//     that an operator has ordered, has Trials::long_probe_patience, unless untried sites wait
//     for the only place that there is: so a host that is slow to answer is found, too.
//   - A route of the operator's is no trial until it is down: there are few, and they are meant.
//   - Of four turns three are for those that answer, and of four turns of the others three for
//     those that were not tried yet, as long as there are any.
class SiteTable {
public:
    explicit SiteTable(Context& context);

    // The site of that key, with the plan brought up to date; made if there is none.
    queue::SiteHandle find_or_add(SitePlan plan);
    [[nodiscard]] Site& operator[](queue::SiteHandle site) { return sites_[site]; }
    [[nodiscard]] const Site& operator[](queue::SiteHandle site) const { return sites_[site]; }
    // Those that are not is_used() are free entries.
    [[nodiscard]] queue::HandleRange<queue::SiteHandle> handles() const { return sites_.handles(); }
    [[nodiscard]] bool is_used(queue::SiteHandle site) const {
        return !sites_[site].plan.key.empty();
    }

    // To be called after anything that changes what a site waits for: puts it into the ring, or
    // sets the timer of its probe, of what its rates allow next or of its hours.
    void refresh(queue::SiteHandle handle);
    // An operator, or the destination itself, wants its mail now: a probe if it is down, and its
    // hours begin, once. `has_mail`: there is some, in line or about to be.
    void wake(queue::SiteHandle handle, bool has_mail);
    // A delivery has ended: perhaps that was all that it was woken for.
    void end_wake_if_done(queue::SiteHandle handle);
    // Those whose hours have ended since the last call: their idle connections are to be closed.
    [[nodiscard]] std::vector<queue::SiteHandle> take_closed() {
        return std::exchange(closed_, {});
    }
    // Whose turn it is. Empty: nobody could start, or what could would be one trial too many. The
    // caller pass()es it, starts something or not, and refresh()es it.
    [[nodiscard]] queue::SiteHandle front() const;
    // Sites that could start now if there were connections for them.
    [[nodiscard]] std::size_t turns_waiting() const;
    // Out of its ring until the next refresh().
    void pass(queue::SiteHandle handle);

    // A connection to the site is going to be opened. Nothing: it is no trial; otherwise the caller
    // calls end_trial() once, with its place.
    [[nodiscard]] std::optional<TrialPlace> begin_trial(queue::SiteHandle handle);
    // The body of its message has left.
    void send_trial(TrialPlace& place);
    void end_trial(TrialPlace place);
    // A host of the site has answered about a message.
    void note_answer(queue::SiteHandle handle);
    struct Trials {
        std::uint32_t under_way = 0;
        std::uint32_t most = 0;
    };
    // A site waits that could begin if this trial ended.
    [[nodiscard]] bool is_wanted(TrialPlace trial) const;
    // Of the places for trials some are never taken by the silent ones.
    [[nodiscard]] bool have_silent_their_own() const { return silent_trials_max() < trials_max(); }
    // Those that were never tried wait for a trial's place.
    [[nodiscard]] bool do_untried_wait() const;
    // Nothing: the site's turn does not depend on trials, or one more may begin.
    [[nodiscard]] std::optional<Trials> trials_before(queue::SiteHandle handle) const;

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const { return timers_.next(); }
    // After the settings were replaced; then a note_domain() for each domain that is routed.
    void apply_settings();
    // Mail for the domain goes to this site: a [[site]] may be for it.
    void note_domain(queue::SiteHandle handle, const std::string& domain);
    // What a former process knew of sites; each is told its own when it is made.
    void restore(Hints hints);
    void add_hints(Hints& hints) const;
    // Those of sites of which nothing is known but that they answer: the least worth keeping.
    void add_answers(Hints& hints) const;
    // For tests: what waits for a site waits for something that comes. Empty: yes; else what is
    // wrong.
    [[nodiscard]] std::string check(bool are_connections_left) const;

private:
    // A site that nothing uses is forgotten after a while, one in trouble after more
    // than the longest time between two probes.
    static constexpr Millis linger_up{60'000};
    static constexpr Millis linger_down{7'200'000};

    using Ring = std::list<queue::SiteHandle>;
    [[nodiscard]] Ring& ring_of(Standing standing) {
        return rings_[static_cast<std::size_t>(standing)];
    }
    [[nodiscard]] const Ring& ring_of(Standing standing) const {
        return rings_[static_cast<std::size_t>(standing)];
    }
    void enter_ring(queue::SiteHandle handle, Standing standing);
    [[nodiscard]] std::uint32_t trials_max() const;
    [[nodiscard]] std::uint32_t silent_trials_max() const;
    [[nodiscard]] std::uint32_t unanswered_max() const;
    [[nodiscard]] std::uint32_t trials_in(TrialPlace place) const {
        return trials_[static_cast<std::size_t>(place)];
    }
    // Those that count in the quarter, and all.
    [[nodiscard]] std::uint32_t trials() const {
        return trials_in(TrialPlace::untried) + trials_in(TrialPlace::silent);
    }
    [[nodiscard]] std::uint32_t unanswered() const {
        return trials() + trials_in(TrialPlace::sent);
    }
    [[nodiscard]] bool may_begin(Standing standing) const;
    [[nodiscard]] SiteRule rule_for(const SitePlan& plan) const;
    void set_rule(queue::SiteHandle handle, SiteRule rule);
    void follow_hours(queue::SiteHandle handle);
    void restore_site(Site& site, const Hint& hint);
    [[nodiscard]] static bool is_outdated(const Hint& hint, Instant now);

    Context& context_;
    queue::Slab<Site, queue::SiteHandle> sites_;
    std::unordered_map<std::string, queue::SiteHandle> by_key_;
    std::array<Ring, standings> rings_;
    Ring resting_;  // those in no ring: each site has its one node
    std::uint32_t turns_ = 0;
    std::array<std::uint32_t, trial_places> trials_{};  // by their places
    // When sites that are not in use have last answered, by their keys.
    RecentMap<std::string, Instant> answered_;
    std::vector<queue::SiteHandle> closed_;
    HandleTimers<queue::SiteHandle> timers_;  // probes, rates, hours, and the end of the unused
    std::unordered_map<std::string, Hint> hints_;  // by the sites' keys
};

}  // namespace mta::outbound
