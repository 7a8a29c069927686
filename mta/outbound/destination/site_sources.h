#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/settings.h"
#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace mta::outbound {

// What one site thinks of the sources of its pool: which of them is next (by weight), and which it
// has refused. A source that is refused is suspended for this site only, for a quarter of an hour
// at first and up to four hours; the others take over. When all are suspended the one that has been
// so longest is used all the same, and its refusals are ordinary failures.
class SiteSources {
public:
    using Members = std::vector<const conf::Source*>;

    static constexpr Millis suspension_min{15 * 60'000};
    static constexpr Millis suspension_max{4 * 3'600'000};

    // Whose turn it is, of the members with an address of that family; null: none has one.
    [[nodiscard]] const conf::Source* next(const Members& members, bool is_v6, Instant now);
    struct Refusal {
        std::string_view name;
        bool is_v6 = false;
        DeliveryError error;
        double jitter = 0;  // in [-1, 1]
    };
    // Returns true if it is suspended now, and another member with an address of that family can
    // take over; false if it was the last one, and nothing changes.
    bool refuse(const Members& members, Refusal refusal, Instant now);
    // Mail was taken from it. A suspension runs to its end all the same: what was taken may have
    // been less delicate than what was refused.
    void accept(std::string_view name, Instant now);
    [[nodiscard]] bool is_suspended(std::string_view name, Instant now) const;

    struct Suspension {
        std::string source;
        Instant until;
        DeliveryError error;
    };
    [[nodiscard]] std::vector<Suspension> suspensions(Instant now) const;
    // When the last suspension ends; a time that has passed: none.
    [[nodiscard]] Instant forgotten_at() const;

private:
    struct State {
        std::string name;
        std::int64_t credit = 0;
        std::uint32_t refusals = 0;  // in a row
        Instant suspended_until;
        DeliveryError error;
    };

    [[nodiscard]] State& state(std::string_view name);
    [[nodiscard]] const State* find(std::string_view name) const;

    std::vector<State> states_;  // no more than there are sources
};

}  // namespace mta::outbound
