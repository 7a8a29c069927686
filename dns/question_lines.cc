#include "dns/question_lines.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "mta/base/assert.h"

namespace dns {

template <class Item>
Lines<Item>::Lines(std::size_t in_flight_max) : in_flight_max_(in_flight_max) {
    MTA_ASSERT(in_flight_max > 0);
}

template <class Item>
std::size_t Lines<Item>::in_flight() const {
    return std::accumulate(in_flight_.begin(), in_flight_.end(), std::size_t{0});
}

template <class Item>
void Lines<Item>::add(Item question, Kind kind) {
    lines_.at(static_cast<std::size_t>(kind)).push_back(std::move(question));
}

template <class Item>
bool Lines<Item>::has_room(Kind kind) const {
    if (in_flight() >= in_flight_max_) return false;
    switch (kind) {
        case Kind::answered: return true;
        case Kind::unknown_host:
        case Kind::unknown_domain:
            return count(Kind::unknown_host) + count(Kind::unknown_domain) <
                   std::max<std::size_t>(in_flight_max_ / 2, 1);
        case Kind::silent: return count(kind) < std::max<std::size_t>(in_flight_max_ / 4, 1);
    }
    return false;
}

template <class Item>
std::optional<typename Lines<Item>::Next> Lines<Item>::start() {
    for (const auto kind :
         {Kind::answered, Kind::unknown_host, Kind::unknown_domain, Kind::silent}) {
        auto& line = lines_.at(static_cast<std::size_t>(kind));
        if (line.empty() || !has_room(kind)) continue;
        const bool is_brief = kind != Kind::silent && in_flight() > in_flight_max_ / 4;
        Next next{std::move(line.front()), kind, is_brief ? Effort::brief : Effort::full};
        line.pop_front();
        ++in_flight_.at(static_cast<std::size_t>(kind));
        return next;
    }
    return std::nullopt;
}

template <class Item>
void Lines<Item>::end(Kind kind) {
    auto& count = in_flight_.at(static_cast<std::size_t>(kind));
    MTA_ASSERT(count > 0);
    --count;
}

template class Lines<Question>;
template class Lines<std::uint64_t>;

}  // namespace dns
