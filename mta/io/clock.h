#pragma once
#include "mta/base/time.h"
#include "mta/io/loop.h"

namespace mta::io {

// The only clock of the program, one a loop: Unix time when the process began, and from then on the
// machine's monotonic time, so it never goes back. When the machine's own clock leaps forward (a
// machine that booted without a clock and then heard from a time server; a virtual machine that
// slept), it follows; backward it does not, since dates of queued mail must not come from the
// future.
class Clock {
public:
    // A leap forward of the machine's clock below this is drift, and ignored.
    static constexpr Millis leap_min{2000};

    explicit Clock(Loop& loop);

    // Time at the beginning of the loop's turn; costs nothing.
    [[nodiscard]] Instant now() const;
    // Compares with the machine's clock; to be called now and then. How far it leapt, or zero.
    Millis follow_leap();
    [[nodiscard]] static Instant read_machine_clock();

private:
    Loop& loop_;
    Millis offset_;  // Unix time at the zero of the loop's monotonic time
};

}  // namespace mta::io
