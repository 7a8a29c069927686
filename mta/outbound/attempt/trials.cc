#include "mta/outbound/attempt/trials.h"

#include <algorithm>

namespace mta::outbound {
namespace {

// One of so many probes in a row has the long patience.
constexpr std::uint32_t long_probe_every = 4;

}  // namespace

Millis Trials::patience_for(bool is_probe, std::uint32_t failures) {
    if (!is_probe) return first_patience;
    return failures % long_probe_every == 0 ? long_probe_patience : probe_patience;
}

std::optional<Trials::Id> Trials::begin(AttemptHandle attempt, queue::SiteHandle site, Instant now,
                                        Millis patience) {
    const auto place = sites_.begin_trial(site);
    if (!place) return std::nullopt;
    return trials_.insert(trials_.end(), Trial{attempt, *place, now, patience});
}

void Trials::end(Id trial) {
    sites_.trial_places().end(trial->place);
    trials_.erase(trial);
}

void Trials::send(Id trial) {
    if (trial->place != TrialPlace::sent) sites_.trial_places().send(trial->place);
}

void Trials::prolong(Id trial, Instant now) {
    trial->begun = now;
    trials_.splice(trials_.end(), trials_, trial);
}

std::optional<Trials::Due> Trials::next() const {
    if (!sites_.turns().is_wanted(TrialPlace::silent)) return std::nullopt;  // nor is any other
    // If there is only one place in all, a trial of a silent destination cannot have all its time.
    const bool is_hurried =
        sites_.turns().do_untried_wait() && !sites_.trial_places().have_untried_their_own();
    std::optional<Due> first;
    for (const auto& trial : trials_) {
        if (trial.place == TrialPlace::sent || !sites_.turns().is_wanted(trial.place)) continue;
        const auto progress = progress_of_(trial.attempt);
        auto time = progress.is_ordered ? long_probe_patience : trial.patience;
        if (is_hurried) time = std::min(time, probe_patience);
        const auto silent_since =
            std::max(trial.begun, progress.silent_since.value_or(trial.begun));
        if (!first || silent_since + time < first->at)
            first = Due{trial.attempt, silent_since + time, silent_since};
    }
    return first;
}

}  // namespace mta::outbound
