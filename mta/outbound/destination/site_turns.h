#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>

#include "mta/outbound/context.h"
#include "mta/outbound/destination/trial_places.h"
#include "queue/handles.h"

namespace mta::outbound {

// The rings of sites that could start a delivery at once, which take turns at what the relay has in
// connections (delivery.connections); a ring for each Standing. Of four turns three are for sites
// that answer, and of four turns of the others three for those that were not tried yet, as long as
// there are any. A ring whose TrialPlaces are taken waits.
class SiteTurns {
public:
    using Ring = std::list<queue::SiteHandle>;
    // A site's: it is in one ring, or rests.
    struct Seat {
        std::optional<Standing> ring;
        Ring::iterator at;
    };

    // `trials` must outlive it.
    SiteTurns(Context& context, const TrialPlaces& trials) : context_(context), trials_(trials) {}

    // The seat of a new site, which rests.
    [[nodiscard]] Seat add(queue::SiteHandle site) {
        return {std::nullopt, resting_.insert(resting_.end(), site)};
    }
    // Only while it rests.
    void remove(const Seat& seat);
    // At the end of that ring, unless it is in it already.
    void enter(Seat& seat, Standing standing);
    // Out of its ring: it rests until it enters one again.
    void pass(Seat& seat);

    // The site whose turn it is. Empty if none could start, or only one trial too many.
    [[nodiscard]] queue::SiteHandle front() const;
    // Sites that could start now if there were connections for them.
    [[nodiscard]] std::size_t waiting() const;
    // A site waits that could begin if this trial ended.
    [[nodiscard]] bool is_wanted(TrialPlace trial) const;
    // Sites that were never tried wait for a trial's place.
    [[nodiscard]] bool do_untried_wait() const;

private:
    [[nodiscard]] Ring& ring_of(Standing standing) {
        return rings_[static_cast<std::size_t>(standing)];
    }
    [[nodiscard]] const Ring& ring_of(Standing standing) const {
        return rings_[static_cast<std::size_t>(standing)];
    }

    Context& context_;
    const TrialPlaces& trials_;
    std::array<Ring, standings> rings_;
    Ring resting_;  // those in no ring: each site has its one node
    std::uint32_t turns_ = 0;
};

}  // namespace mta::outbound
