#include "mta/outbound/destination/site_turns.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

void SiteTurns::remove(const Seat& seat) {
    MTA_ASSERT(!seat.ring);
    resting_.erase(seat.at);
}

void SiteTurns::enter(Seat& seat, Standing standing) {
    if (seat.ring == standing) return;
    auto& former = seat.ring ? ring_of(*seat.ring) : resting_;
    auto& ring = ring_of(standing);
    ring.splice(ring.end(), former, seat.at);
    seat.ring = standing;
    context_.request_tick();
}

void SiteTurns::pass(Seat& seat) {
    MTA_ASSERT(seat.ring);
    resting_.splice(resting_.end(), ring_of(*seat.ring), seat.at);
    seat.ring.reset();
    ++turns_;
}

queue::SiteHandle SiteTurns::front() const {
    constexpr auto every = 4u;
    const bool is_trials_turn = turns_ % every == every - 1;
    const bool is_silent_turn = turns_ / every % every == every - 1;
    std::array order = {Standing::answering, Standing::untried, Standing::silent};
    if (is_silent_turn) std::swap(order[1], order[2]);
    if (is_trials_turn) std::ranges::rotate(order, order.begin() + 1);
    for (const auto standing : order) {
        const auto& ring = ring_of(standing);
        if (!ring.empty() && trials_.may_begin(standing)) return ring.front();
    }
    return {};
}

std::size_t SiteTurns::waiting() const {
    return ring_of(Standing::answering).size() +
           trials_.could_begin(ring_of(Standing::untried).size(), ring_of(Standing::silent).size());
}

bool SiteTurns::do_untried_wait() const {
    return !trials_.may_begin(Standing::untried) && !ring_of(Standing::untried).empty();
}

bool SiteTurns::is_wanted(TrialPlace trial) const {
    if (trial == TrialPlace::sent) return false;
    if (do_untried_wait()) return true;
    if (ring_of(Standing::silent).empty()) return false;
    return trials_.are_silent_full() ? trial == TrialPlace::silent
                                     : !trials_.may_begin(Standing::silent);
}

}  // namespace mta::outbound
