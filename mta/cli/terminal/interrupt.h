#pragma once
#include <csignal>

#include "mta/base/time.h"

namespace mta::cli {

// As long as it lives, SIGINT (Ctrl-C), SIGTERM and SIGHUP do not end the process: the command asks
// whether one of them has come, and ends tidily. It must be made before any thread is started.
class Interrupt {
public:
    Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    // Whether a signal has come; from then on always true.
    [[nodiscard]] bool is_requested();
    // Waits for a signal, at most `patience`. Returns false if one has come.
    [[nodiscard]] bool wait(Millis patience);
    // A descriptor for poll() that is readable when a signal has come that the two functions
    // above have not reported yet. -1 if the process has no descriptor left.
    [[nodiscard]] int descriptor() const { return descriptor_; }

private:
    sigset_t waited_for_{};
    sigset_t before_{};
    int descriptor_ = -1;
    bool is_requested_ = false;
};

}  // namespace mta::cli
