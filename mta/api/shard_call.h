#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "mta/base/mutex.h"
#include "mta/base/time.h"
#include "mta/outbound/desk/operator_desk.h"

namespace mta::api {

// What a shard offers to operators.
using Desk = outbound::OperatorDesk;

// Work for a shard's thread: it gets the shard's desk and the time there.
using Ask = std::move_only_function<void(Desk&, Instant)>;
// Hands work to a shard's thread. After the shard has gone, work is dropped unrun (io::Mailbox
// does that).
using Post = std::function<void(Ask)>;

// Where a shard's thread leaves an answer for the thread that waits for it. Both own it, since
// either may end first.
template <class T>
class Slot {
public:
    // Only the first value counts.
    void put(T value) {
        const MutexLock lock(mutex_);
        if (value_) return;
        value_ = std::move(value);
        filled_.notify_one();
    }
    [[nodiscard]] std::optional<T> wait(Millis patience) {
        MutexLock lock(mutex_);
        filled_.wait_for(lock, patience, [this]() REQUIRES(mutex_) { return value_.has_value(); });
        return std::exchange(value_, std::nullopt);
    }

private:
    Mutex mutex_;
    Condition filled_;
    std::optional<T> value_ GUARDED_BY(mutex_);
};

// Runs `work(desk, now, slot)` on the shard's thread; the work puts its answer into the slot, at
// once or later. Empty if there is no answer within `patience`; one that comes later is dropped.
template <class T, class Work>
[[nodiscard]] std::optional<T> call_shard(const Post& post, Millis patience, Work work) {
    auto slot = std::make_shared<Slot<T>>();
    post([slot, work = std::move(work)](Desk& desk, Instant now) mutable {
        work(desk, now, std::move(slot));
    });
    return slot->wait(patience);
}

}  // namespace mta::api
