#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <utility>

#include "mta/base/time.h"
#include "mta/outbound/attempt/attempt_handle.h"
#include "mta/outbound/destination/site_table.h"

namespace mta::outbound {

// The trials that are under way: connections to destinations that have not answered yet (SiteTable
// has the places and the reasons). While other destinations wait for the place of a trial, its
// attempt has only the trial's patience for the next answer of the host; then it is broken off.
//
//   a first attempt                            first_patience
//   a probe                                    probe_patience
//   every fourth probe, and an ordered one     long_probe_patience
//
// A trial whose message has left as a whole is never broken off: the message might arrive twice.
class Trials {
public:
    static constexpr Millis first_patience{5'000};
    static constexpr Millis probe_patience{30'000};
    static constexpr Millis long_probe_patience{120'000};

    struct Trial {
        AttemptHandle attempt;
        TrialPlace place = TrialPlace::untried;
        Instant begun;
        Millis patience{};
    };
    using Id = std::list<Trial>::iterator;

    // What is known of the attempt of a trial.
    struct Progress {
        bool is_ordered = false;              // an ordered probe
        std::optional<Instant> silent_since;  // in a transaction: since the host's last reply
    };
    using ProgressOf = std::function<Progress(AttemptHandle)>;

    Trials(SiteTable& sites, ProgressOf progress_of)
        : sites_(sites), progress_of_(std::move(progress_of)) {}

    // `failures`: how many probes in a row have failed.
    [[nodiscard]] static Millis patience_for(bool is_probe, std::uint32_t failures);

    // Takes a place for the attempt. Returns nullopt if the site's connections are no trials.
    [[nodiscard]] std::optional<Id> begin(AttemptHandle attempt, queue::SiteHandle site,
                                          Instant now, Millis patience);
    // Gives the place up.
    void end(Id trial);
    // The body of the message has left.
    void send(Id trial);
    // The attempt could not be broken off: the trial has all its time again.
    void prolong(Id trial, Instant now);

    // The trial that is to be broken off first, and when.
    struct Due {
        AttemptHandle attempt;
        Instant at;
        Instant silent_since;
    };
    [[nodiscard]] std::optional<Due> next() const;

private:
    SiteTable& sites_;
    ProgressOf progress_of_;
    std::list<Trial> trials_;  // as they began
};

}  // namespace mta::outbound
