#pragma once
#include <csignal>

#include "mta/base/time.h"

namespace mta::cli {

// From its making to its end SIGINT (Ctrl-C), SIGTERM and SIGHUP do not end the process: the
// command asks whether one has come, and ends tidily. Make it before any thread.
class Interrupt {
public:
    Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    // Once true, always true.
    [[nodiscard]] bool is_requested();
    // Waits so long for one; false: it came.
    [[nodiscard]] bool wait(Millis patience);
    // For poll(): readable when one has come that neither of the above has told of. -1: there are
    // no descriptors left.
    [[nodiscard]] int descriptor() const { return descriptor_; }

private:
    sigset_t waited_for_{};
    sigset_t before_{};
    int descriptor_ = -1;
    bool is_requested_ = false;
};

}  // namespace mta::cli
