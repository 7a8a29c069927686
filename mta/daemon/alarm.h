#pragma once
#include <functional>
#include <string>
#include <utility>

#include "mta/base/mutex.h"

namespace mta::daemon {

// Passes bad news from other threads to one listener. The last news that was raised before a
// listener is connected waits for it; what is raised after it was disconnected waits for the next
// one.
class Alarm {
public:
    using Listener = std::function<void(const std::string& text)>;

    // Null disconnects the listener: no call is under way or begins after this returns.
    void connect(Listener listener) {
        const MutexLock lock(mutex_);
        listener_ = std::move(listener);
        if (listener_ && !kept_.empty()) listener_(std::exchange(kept_, {}));
    }
    // From any thread. The listener runs inside the call.
    void raise(const std::string& text) {
        const MutexLock lock(mutex_);
        if (listener_) {
            listener_(text);
        } else {
            kept_ = text;
        }
    }

private:
    Mutex mutex_;
    Listener listener_ GUARDED_BY(mutex_);
    std::string kept_ GUARDED_BY(mutex_);
};

}  // namespace mta::daemon
