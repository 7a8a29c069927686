#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "mta/base/time.h"
#include "mta/outbound/context.h"

namespace mta::outbound {

// How far a destination is known to answer, which decides when its mail gets one of the relay's
// connections (SiteTurns).
enum class Standing : std::uint8_t {
    answering,  // it is up, and a host of it has answered about a message lately
    untried,    // nothing is known against it; or it has answered lately, and is down now
    silent,     // it is down, and has not answered lately
};
inline constexpr std::size_t standings = 3;
// Lately: within this.
inline constexpr Millis answer_counts_for{3'600'000};

// A place among the connections to destinations that have not answered.
enum class TrialPlace : std::uint8_t {
    untried,  // by the site's standing
    silent,
    sent,  // the body has left: the message may have been delivered, only the answer is missing
};
inline constexpr std::size_t trial_places = 3;

// Counts the connections that are trials: those to destinations that have not answered. A trial
// lasts until the host has answered about a message. An answer to EHLO is not enough: a host may say
// nothing more at any stage.
//
//   - Trials have a quarter of all connections (delivery.connections), one at least, also while
//     nothing else wants the rest: a silent host holds its connection for minutes, and the next
//     site that answers must not wait for that. Half of the quarter, again one at least, is for
//     destinations that were silent before.
//   - A trial whose message has left as a whole (TrialPlace::sent) is out of the quarter, since
//     hosts often take long for this answer. All trials together have three quarters of all
//     connections; the rest, one at least, is for destinations that answer.
class TrialPlaces {
public:
    explicit TrialPlaces(Context& context) : context_(context) {}

    // A connection is going to be opened to a destination of that standing. Empty if it is no
    // trial; otherwise end() is to be called once, with its place.
    [[nodiscard]] std::optional<TrialPlace> begin(Standing standing);
    // The body of its message has left.
    void send(TrialPlace& place);
    void end(TrialPlace place);

    [[nodiscard]] bool may_begin(Standing standing) const;
    // Of the trials that wait for a place, so many could begin.
    [[nodiscard]] std::size_t could_begin(std::size_t untried, std::size_t silent) const;
    [[nodiscard]] bool are_silent_full() const { return in(TrialPlace::silent) >= silent_max(); }
    // Some of the places are never taken by silent destinations.
    [[nodiscard]] bool have_untried_their_own() const { return silent_max() < most(); }

    struct Count {
        std::uint32_t under_way = 0;
        std::uint32_t most = 0;
    };
    // What a destination of that standing waits for; empty if it may_begin().
    [[nodiscard]] std::optional<Count> before(Standing standing) const;

private:
    [[nodiscard]] std::uint32_t in(TrialPlace place) const {
        return counts_[static_cast<std::size_t>(place)];
    }
    [[nodiscard]] std::uint32_t most() const;
    [[nodiscard]] std::uint32_t silent_max() const;
    [[nodiscard]] std::uint32_t unanswered_max() const;
    // Those that count in the quarter, and all.
    [[nodiscard]] std::uint32_t unsent() const {
        return in(TrialPlace::untried) + in(TrialPlace::silent);
    }
    [[nodiscard]] std::uint32_t unanswered() const { return unsent() + in(TrialPlace::sent); }

    Context& context_;
    std::array<std::uint32_t, trial_places> counts_{};  // by their places
};

}  // namespace mta::outbound
