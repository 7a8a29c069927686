#include "mta/outbound/destination/site.h"

namespace mta::outbound {

queue::ConcurrencyPolicy concurrency_policy(bool is_static, std::uint32_t most) {
    constexpr std::uint32_t start_static = 5;
    constexpr std::uint32_t start_mx = 2;
    return {.start = is_static ? start_static : start_mx, .max = most};
}

queue::Destination::Wait Site::wait(Instant now) const {
    using Wait = queue::Destination::Wait;
    auto needed = needs();
    needed.beyond_limit = connections_limit(now) - destination.limit();
    const auto wait = destination.wait(now, needed);
    const bool is_looking = knows_full_host && unconnected > 0;
    const bool is_held_up = idle.empty() && (is_waiting_for_host || is_looking_up || is_looking);
    if (wait != Wait::turn) return wait;
    if (is_held_up) return Wait::limit;
    // If no attempt holds their mailboxes any more, Lines::make_way() lines them up again.
    return destination.bundles().in_line() == 0 && suspects.are_any_held() ? Wait::mailbox : wait;
}

Standing Site::standing(Instant now) const {
    const bool has_answered = has_answered_lately(now);
    if (destination.health().is_up())
        return has_answered || plan.is_static() ? Standing::answering : Standing::untried;
    return has_answered ? Standing::untried : Standing::silent;
}

}  // namespace mta::outbound
