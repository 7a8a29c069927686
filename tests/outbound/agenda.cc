#include "tests/outbound/agenda.h"

#include <algorithm>
#include <utility>

namespace world {

Instant Agenda::now() const { return now_; }

void Agenda::later(Millis delay, Action action) {
    actions_.emplace(std::pair{now_ + delay, ++last_}, std::move(action));
}

std::optional<Instant> Agenda::next() const {
    if (actions_.empty()) return std::nullopt;
    return actions_.begin()->first.first;
}

void Agenda::run_next() {
    auto node = actions_.extract(actions_.begin());
    now_ = std::max(now_, node.key().first);
    node.mapped()();
}

void Agenda::set_now(Instant now) { now_ = std::max(now_, now); }

void Agenda::leap(Millis by) {
    now_ += by;
    std::map<std::pair<Instant, std::uint64_t>, Action> moved;
    for (auto& [key, action] : actions_)
        moved.emplace(std::pair{key.first + by, key.second}, std::move(action));
    actions_ = std::move(moved);
}

}  // namespace world
