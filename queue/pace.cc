#include "queue/pace.h"

#include <algorithm>
#include <utility>

#include "queue/backoff.h"

namespace queue {

bool Pace::on_break(SenderGroup sender, const BrokenAt& at, mta::Instant now, double jitter) {
    auto* slowed = std::get_if<Slowed>(&state_);
    const bool was_slowed = slowed != nullptr;
    if (!was_slowed) {
        // There are few, so a search through all is fine.
        auto& [senders, breaks] = std::get<Steady>(state_);
        if (std::ranges::any_of(breaks, [&](const BrokenAt& former) { return former.is_same(at); }))
            return false;
        breaks.push_back(at);
        if (std::ranges::find(senders, sender) == senders.end()) senders.push_back(sender);
        if (senders.size() < senders_max && breaks.size() < breaks_max) return false;
        slowed = &state_.emplace<Slowed>();
    }
    if (const auto before = std::exchange(slowed->before_order, std::nullopt)) {
        slowed->next_start = std::max(*before, now);
        return false;
    }
    ++slowed->pauses;
    slowed->next_start = now + exponential_delay(pause_min, pause_max, slowed->pauses, jitter);
    return !was_slowed;
}

void Pace::end_pause(mta::Instant now) {
    auto* slowed = std::get_if<Slowed>(&state_);
    if (slowed == nullptr || slowed->next_start <= now) return;
    slowed->before_order = slowed->next_start;
    slowed->next_start = now;
}

mta::Instant Pace::next_start() const {
    const auto* slowed = std::get_if<Slowed>(&state_);
    return slowed == nullptr ? mta::Instant{} : slowed->next_start;
}

}  // namespace queue
