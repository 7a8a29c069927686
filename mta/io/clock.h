#pragma once
#include "mta/base/time.h"
#include "mta/io/loop.h"

namespace mta::io {

// The only clock of the program, one for each loop: Unix time when the process began, and from then
// on the machine's monotonic time, so it never goes back. It follows when the machine's own clock
// leaps forward (a machine that booted without a clock and then reached a time server, or a virtual
// machine that slept). It does not follow a leap backward, since dates of queued mail must not be
// in the future.
class Clock {
public:
    // A smaller leap forward of the machine's clock is drift, and ignored.
    static constexpr Millis leap_min{2000};

    explicit Clock(Loop& loop);

    // The time at the beginning of the loop's turn; costs no system call.
    [[nodiscard]] Instant now() const;
    // Compares with the machine's clock, and returns how far that leapt, or zero. To be called now
    // and then.
    Millis follow_leap();
    [[nodiscard]] static Instant read_machine_clock();

private:
    Loop& loop_;
    Millis offset_;  // Unix time at the zero of the loop's monotonic time
};

}  // namespace mta::io
