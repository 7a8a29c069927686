#pragma once
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace mta::daemon {

// One piece of bad news from another thread to whoever listens, if somebody does already and still:
// what is raised before is kept for him, what comes after he has gone is nobody's.
class Alarm {
public:
    using Listener = std::function<void(const std::string& text)>;

    // Null: nobody listens any more; no call is under way or begins after this returns.
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
