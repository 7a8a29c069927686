#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "mta/base/daily_window.h"
#include "mta/base/time.h"

namespace mta::outbound {

// The hours of the day in which a destination is delivered to (deliver_between of its [[route]];
// none: always), and an operator's order to do it once outside of them.
//
// The order ends when nothing is left to be delivered or the destination turns out to be down (the
// owner says end_order()), and by itself after order_max: a line that is paid by the minute is not
// kept open by new mail that keeps coming.
class DeliveryHours {
public:
    static constexpr Millis order_max{3'600'000};

    DeliveryHours() = default;
    explicit DeliveryHours(std::vector<DailyWindow> windows) : windows_(std::move(windows)) {}

    [[nodiscard]] bool are_limited() const { return !windows_.empty(); }

    // Looks at the clock. To be called at changes_at() at the latest; before that it costs nothing.
    void look(Instant now, const UtcOffsetAt& utc_offset_at);
    // The zone may be another one.
    void look_anew(Instant now, const UtcOffsetAt& utc_offset_at);

    // As of the last look.
    [[nodiscard]] bool is_open() const {
        return windows_.empty() || state_.is_open || is_ordered();
    }
    [[nodiscard]] std::optional<Instant> changes_at() const;
    // While closed by the clock: when they begin again. Empty while they are open.
    [[nodiscard]] std::optional<Instant> next_begin() const;

    // Opens them until the order is done. Nothing changes while they are open anyway.
    void order(Instant now);
    void end_order() { order_ends_.reset(); }
    [[nodiscard]] bool is_ordered() const { return order_ends_.has_value(); }

    // Mail that has come since the hours last ended only waits for them, as its sender must expect:
    // nothing is late until they have begun and its turn had time to come. Until when a delay
    // notice about it is not due; nothing: it may be.
    [[nodiscard]] std::optional<Instant> no_notice_until(Instant arrival) const;

private:
    static constexpr Millis turn_max{3'600'000};

    std::vector<DailyWindow> windows_;
    WindowState state_;
    bool has_looked_ = false;
    std::optional<Instant> order_ends_;
};

}  // namespace mta::outbound
