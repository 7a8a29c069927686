#include "mta/outbound/destination/trial_places.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

std::uint32_t TrialPlaces::most() const {
    return std::max(context_.settings().delivery.connections_max / 4, 1u);
}

std::uint32_t TrialPlaces::silent_max() const { return std::max(most() / 2, 1u); }

std::uint32_t TrialPlaces::unanswered_max() const {
    const auto all = context_.settings().delivery.connections_max;
    return std::max(all - std::min(all, most()), 1u);
}

bool TrialPlaces::may_begin(Standing standing) const {
    if (standing == Standing::answering) return true;
    if (standing == Standing::silent && are_silent_full()) return false;
    return unsent() < most() && unanswered() < unanswered_max();
}

std::size_t TrialPlaces::could_begin(std::size_t untried, std::size_t silent) const {
    const auto left = [](std::uint32_t most, std::uint32_t taken) -> std::size_t {
        return most - std::min(most, taken);
    };
    silent = std::min(silent, left(silent_max(), in(TrialPlace::silent)));
    return std::min(
        {untried + silent, left(most(), unsent()), left(unanswered_max(), unanswered())});
}

std::optional<TrialPlace> TrialPlaces::begin(Standing standing) {
    if (standing == Standing::answering) return std::nullopt;
    const auto place = standing == Standing::silent ? TrialPlace::silent : TrialPlace::untried;
    ++counts_[static_cast<std::size_t>(place)];
    return place;
}

void TrialPlaces::send(TrialPlace& place) {
    end(std::exchange(place, TrialPlace::sent));
    ++counts_[static_cast<std::size_t>(place)];
}

void TrialPlaces::end(TrialPlace place) {
    MTA_ASSERT(in(place) > 0);
    --counts_[static_cast<std::size_t>(place)];
    context_.request_tick();
}

std::optional<TrialPlaces::Count> TrialPlaces::before(Standing standing) const {
    if (may_begin(standing)) return std::nullopt;
    if (unanswered() >= unanswered_max()) return Count{unanswered(), unanswered_max()};
    if (unsent() >= most()) return Count{unsent(), most()};
    return Count{in(TrialPlace::silent), silent_max()};
}

}  // namespace mta::outbound
