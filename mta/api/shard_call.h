#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "mta/api/api.h"

namespace mta::admin {

// Where an answer of a shard's thread is left for the thread that waits. Shared by both, since
// either may be gone first.
template <class T>
class Slot {
public:
    // Only the first counts.
    void put(T value) {
        const std::lock_guard lock(mutex_);
        if (value_) return;
        value_ = std::move(value);
        filled_.notify_one();
    }
    [[nodiscard]] std::optional<T> wait(Millis patience) {
        std::unique_lock lock(mutex_);
        filled_.wait_for(lock, patience, [this] { return value_.has_value(); });
        return std::exchange(value_, std::nullopt);
    }

private:
    std::mutex mutex_;
    std::condition_variable filled_;
    std::optional<T> value_;
};

// Runs `work(queue_manager, now, slot)` on the shard's thread, which puts its answer into the slot,
// at once or later. Nothing: it did not in time, and what it puts then is dropped.
template <class T, class Work>
[[nodiscard]] std::optional<T> call_shard(const Api::Post& post, Millis patience, Work work) {
    auto slot = std::make_shared<Slot<T>>();
    post([slot, work = std::move(work)](outbound::QueueManager& manager, Instant now) mutable {
        work(manager, now, std::move(slot));
    });
    return slot->wait(patience);
}

}  // namespace mta::admin
