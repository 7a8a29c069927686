#include "mta/outbound/destination/delivery_hours.h"

#include <algorithm>

namespace mta::outbound {

void DeliveryHours::look(Instant now, const UtcOffsetAt& utc_offset_at) {
    if (windows_.empty()) return;
    if (order_ends_ && now >= *order_ends_) order_ends_.reset();
    if (has_looked_ && (!state_.until || now < *state_.until)) return;
    state_ = look_at(windows_, now, utc_offset_at);
    has_looked_ = true;
    if (state_.is_open) order_ends_.reset();
}

void DeliveryHours::look_anew(Instant now, const UtcOffsetAt& utc_offset_at) {
    has_looked_ = false;
    look(now, utc_offset_at);
}

std::optional<Instant> DeliveryHours::changes_at() const {
    if (windows_.empty()) return std::nullopt;
    if (!order_ends_) return state_.until;
    return std::min(*order_ends_, state_.until.value_or(Instant::max()));
}

std::optional<Instant> DeliveryHours::next_begin() const {
    if (windows_.empty() || state_.is_open) return std::nullopt;
    return state_.until;
}

void DeliveryHours::order(Instant now) {
    if (!windows_.empty() && !state_.is_open) order_ends_ = now + order_max;
}

std::optional<Instant> DeliveryHours::no_notice_until(Instant arrival) const {
    if (windows_.empty() || (state_.last_end && arrival < *state_.last_end)) return std::nullopt;
    const auto begin = state_.is_open ? state_.since : state_.until;
    if (!begin) return std::nullopt;
    // A window that is shorter than that ends first, and then the mail has come before its end.
    return *begin + turn_max;
}

}  // namespace mta::outbound
