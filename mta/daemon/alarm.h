#pragma once
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace mta::daemon {

// Passes bad news from other threads to one listener. The last news that was raised before a
// listener is connected waits for it; what is raised after it was disconnected waits for the next
// one.
class Alarm {
public:
    using Listener = std::function<void(const std::string& text)>;

    // Null disconnects the listener: no call is under way or begins after this returns.
    void connect(Listener listener) {
        const std::lock_guard guard(mutex_);
        listener_ = std::move(listener);
        if (listener_ && !kept_.empty()) listener_(std::exchange(kept_, {}));
    }
    // From any thread. The listener runs inside the call.
    void raise(const std::string& text) {
        const std::lock_guard guard(mutex_);
        if (listener_) {
            listener_(text);
        } else {
            kept_ = text;
        }
    }

private:
    std::mutex mutex_;
    Listener listener_;
    std::string kept_;
};

}  // namespace mta::daemon
