#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "mta/base/time.h"

namespace world {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;

// The virtual time of a world, and what will happen in it: in order of time and, at the same
// time, of planning.
class Agenda {
public:
    using Action = std::move_only_function<void()>;

    [[nodiscard]] Instant now() const;
    void later(Millis delay, Action action);
    [[nodiscard]] std::optional<Instant> next() const;
    void run_next();
    void set_now(Instant now);
    // The clock leaps. What was planned happens as long after the new time as it would have after
    // the old one.
    void leap(Millis by);

private:
    Instant now_ = mta::from_unix_ms(1'790'000'000'000);
    std::uint64_t last_ = 0;
    std::map<std::pair<Instant, std::uint64_t>, Action> actions_;
};

}  // namespace world
