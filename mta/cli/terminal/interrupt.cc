#include "mta/cli/terminal/interrupt.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <ctime>
#include <initializer_list>

namespace mta::cli {

Interrupt::Interrupt() {
    sigemptyset(&waited_for_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&waited_for_, signal);
    pthread_sigmask(SIG_BLOCK, &waited_for_, &before_);
    descriptor_ = signalfd(-1, &waited_for_, SFD_CLOEXEC | SFD_NONBLOCK);
}

Interrupt::~Interrupt() {
    if (descriptor_ >= 0) ::close(descriptor_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Interrupt::is_requested() {
    const timespec at_once{};
    if (!is_requested_) is_requested_ = sigtimedwait(&waited_for_, nullptr, &at_once) > 0;
    return is_requested_;
}

bool Interrupt::wait(Millis patience) {
    const timespec length{.tv_sec = patience.count() / 1000,
                          .tv_nsec = patience.count() % 1000 * 1'000'000};
    if (!is_requested_) is_requested_ = sigtimedwait(&waited_for_, nullptr, &length) > 0;
    return !is_requested_;
}

}  // namespace mta::cli
