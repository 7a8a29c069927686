#include "queue/pace.h"

#include <algorithm>

#include "queue/backoff.h"

namespace queue {

namespace {

// Few: they are looked through.
template <typename Value>
void add_once(std::vector<Value>& values, Value value) {
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

}  // namespace

bool Pace::on_break(std::uint32_t sender, MessageId message, mta::Instant now, double jitter) {
    auto* slowed = std::get_if<Slowed>(&state_);
    const bool was_slowed = slowed != nullptr;
    if (!was_slowed) {
        auto& steady = std::get<Steady>(state_);
        add_once(steady.senders, sender);
        add_once(steady.messages, message);
        if (steady.senders.size() < senders_max && steady.messages.size() < messages_max)
            return false;
        slowed = &state_.emplace<Slowed>();
    }
    ++slowed->pauses;
    slowed->next_start = now + exponential_delay(pause_min, pause_max, slowed->pauses, jitter);
    return !was_slowed;
}

void Pace::end_pause(mta::Instant now) {
    if (auto* slowed = std::get_if<Slowed>(&state_))
        slowed->next_start = std::min(slowed->next_start, now);
}

mta::Instant Pace::next_start() const {
    const auto* slowed = std::get_if<Slowed>(&state_);
    return slowed == nullptr ? mta::Instant{} : slowed->next_start;
}

}  // namespace queue
