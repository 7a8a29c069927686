#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "mta/base/thread_annotations.h"

namespace mta {

// std::mutex, std::unique_lock and std::condition_variable with the annotations that let clang
// check which mutex protects what. They cost what those cost.
//
//     const MutexLock lock(mutex_);   // until the end of the scope
//
//     MutexLock lock(mutex_);         // a wait: the condition is checked by the caller, in a loop,
//     while (work_.empty()) ready_.wait(lock);            // where clang sees that mutex_ is held
//
// try_lock() is for the rare caller that has something else to do meanwhile.
class CAPABILITY("mutex") Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;
    ~Mutex() = default;

    void lock() ACQUIRE() { mutex_.lock(); }
    [[nodiscard]] bool try_lock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }
    void unlock() RELEASE() { mutex_.unlock(); }

private:
    friend class MutexLock;
    std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
public:
    explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    // The caller has locked it.
    MutexLock(Mutex& mutex, std::adopt_lock_t adopt) REQUIRES(mutex) : lock_(mutex.mutex_, adopt) {}
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    ~MutexLock() RELEASE() = default;

    void unlock() RELEASE() { lock_.unlock(); }
    void lock() ACQUIRE() { lock_.lock(); }

private:
    friend class Condition;
    std::unique_lock<std::mutex> lock_;
};

// The mutex is released during a wait and held again after it.
class Condition {
public:
    void notify_one() { ready_.notify_one(); }
    void notify_all() { ready_.notify_all(); }

    // May return early.
    void wait(MutexLock& lock) { ready_.wait(lock.lock_); }
    // Waits until `is_true()`, or until that time; returns `is_true()`. The function needs the
    // mutex and is annotated: `[this]() REQUIRES(mutex_) { return ...; }`.
    template <class Clock, class Duration, class Predicate>
    bool wait_until(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& time,
                    Predicate is_true) {
        return ready_.wait_until(lock.lock_, time, std::move(is_true));
    }
    template <class Rep, class Period, class Predicate>
    bool wait_for(MutexLock& lock, const std::chrono::duration<Rep, Period>& patience,
                  Predicate is_true) {
        return ready_.wait_for(lock.lock_, patience, std::move(is_true));
    }

private:
    std::condition_variable ready_;
};

}  // namespace mta
