#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mta/base/handle_timers.h"
#include "mta/outbound/context.h"
#include "mta/outbound/destination/site.h"
#include "mta/outbound/destination/site_memory.h"
#include "mta/outbound/destination/site_turns.h"
#include "mta/outbound/destination/trial_places.h"
#include "queue/slab.h"

namespace mta::outbound {

// All sites of the shard, by their keys: makes them, forgets those that nothing uses, and wakes each
// when what it waits for has come. The connections that the relay may have are shared so:
//
//   - A site that answers may have all of them except the last quarter, which is for sites that
//     have none yet (Approach::connections_max_for()). Otherwise sites that each have many
//     connections, and all hang at once, would occupy every connection.
//   - To a site that does not (Standing) a connection is a trial, and has one of the TrialPlaces. A
//     route of the operator's is no trial until it is down: there are few of them.
//   - While a site waits for the place of a trial, a first attempt that has had no answer for
//     Trials::first_patience (in a transaction: no further answer) is broken off, and a probe after
//     Trials::probe_patience. Its site is silent then. One of four probes in a row, and one that an
//     operator has ordered, has Trials::long_probe_patience, unless untried sites wait for the only
//     place that there is: so a host that is slow to answer is found, too. A trial whose message
//     has left as a whole is never broken off, or the message might arrive twice.
//   - Sites that could start take turns (SiteTurns).
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
    // An attempt has ended: perhaps that was all that the site was woken for.
    void end_wake_if_done(queue::SiteHandle handle);
    // Those whose hours have ended since the last call: their idle connections are to be closed.
    [[nodiscard]] std::vector<queue::SiteHandle> take_closed() {
        return std::exchange(closed_, {});
    }
    // Whose turn it is; the caller pass()es that site, starts something or not, and refresh()es it.
    [[nodiscard]] const SiteTurns& turns() const { return turns_; }
    // Out of its ring until the next refresh().
    void pass(queue::SiteHandle handle) { turns_.pass(sites_[handle].seat); }

    [[nodiscard]] TrialPlaces& trial_places() { return trial_places_; }
    // A connection to the site is going to be opened (TrialPlaces::begin()).
    [[nodiscard]] std::optional<TrialPlace> begin_trial(queue::SiteHandle handle);
    // What the site's turn waits for; empty if it does not depend on trials, or one more may begin.
    [[nodiscard]] std::optional<TrialPlaces::Count> trials_before(queue::SiteHandle handle) const;
    // A host of the site has answered about a message.
    void note_answer(queue::SiteHandle handle);

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const { return timers_.next(); }
    // After the settings were replaced; then a note_domain() for each domain that is routed.
    void apply_settings();
    // Mail for the domain goes to this site: a [[site]] may be for it.
    void note_domain(queue::SiteHandle handle, const std::string& domain);
    [[nodiscard]] SiteMemory& memory() { return memory_; }
    // For tests: says what is wrong if something waits for a site in vain; empty if nothing does.
    [[nodiscard]] std::string check(bool are_connections_left) const;

private:
    // A site that nothing uses is forgotten after a while, one in trouble after more than the
    // longest time between two probes.
    static constexpr Millis linger_up{60'000};
    static constexpr Millis linger_down{7'200'000};

    [[nodiscard]] SiteRule rule_for(const SitePlan& plan) const;
    void set_rule(queue::SiteHandle handle, SiteRule rule);
    void follow_hours(queue::SiteHandle handle);

    Context& context_;
    SiteMemory::Sites sites_;
    std::unordered_map<std::string, queue::SiteHandle> by_key_;
    TrialPlaces trial_places_;
    SiteTurns turns_;
    SiteMemory memory_;
    std::vector<queue::SiteHandle> closed_;
    HandleTimers<queue::SiteHandle> timers_;  // probes, rates, hours, and the end of the unused
};

}  // namespace mta::outbound
