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

    [[nodiscard]] Instant now() const { return now_; }
    void later(Millis delay, Action action) {
        actions_.emplace(std::pair{now_ + delay, ++last_}, std::move(action));
    }
    [[nodiscard]] std::optional<Instant> next() const {
        if (actions_.empty()) return std::nullopt;
        return actions_.begin()->first.first;
    }
    void run_next() {
        auto node = actions_.extract(actions_.begin());
        now_ = std::max(now_, node.key().first);
        node.mapped()();
    }
    void set_now(Instant now) { now_ = std::max(now_, now); }
    // The clock leaps. What was planned happens as long after the new time as it would have after
    // the old one.
    void leap(Millis by) {
        now_ += by;
        std::map<std::pair<Instant, std::uint64_t>, Action> moved;
        for (auto& [key, action] : actions_)
            moved.emplace(std::pair{key.first + by, key.second}, std::move(action));
        actions_ = std::move(moved);
    }

private:
    Instant now_ = mta::from_unix_ms(1'790'000'000'000);
    std::uint64_t last_ = 0;
    std::map<std::pair<Instant, std::uint64_t>, Action> actions_;
};

}  // namespace world
