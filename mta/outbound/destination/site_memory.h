#pragma once
#include <string>
#include <unordered_map>

#include "mta/base/time.h"
#include "mta/outbound/destination/hint.h"
#include "mta/outbound/destination/recent_map.h"
#include "mta/outbound/destination/site.h"
#include "queue/slab.h"

namespace mta::outbound {

// What is remembered of sites that are not in the table: what a former process knew of them
// (restore()), and when those that were forgotten have last answered.
class SiteMemory {
public:
    using Sites = queue::Slab<Site, queue::SiteHandle>;

    // `sites` must outlive it.
    explicit SiteMemory(const Sites& sites);

    void restore(Hints hints);
    // A new site gets back what is known of it.
    void recall(Site& site, Instant now);
    // A site is going to be forgotten.
    void keep(const Site& site, Instant now);

    // The hints on all sites, in the table or not, that are in trouble or have used their rates up.
    void add_hints(Hints& hints, Instant now) const;
    // Those on sites of which nothing is known but that they answer: the least worth keeping.
    void add_answers(Hints& hints, Instant now) const;

private:
    const Sites& sites_;
    std::unordered_map<std::string, Hint> hints_;  // by the sites' keys
    RecentMap<std::string, Instant> answered_;     // the same; some may be in the table again
};

}  // namespace mta::outbound
