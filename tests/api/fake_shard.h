// A shard with a fake desk, on a thread of its own.
#pragma once
#include <deque>
#include <thread>
#include <utility>

#include "mta/api/shard_call.h"
#include "mta/base/mutex.h"
#include "tests/api/fake_desk.h"

namespace mta::api {

// Runs what is posted to it, each in a turn of its own, and then the callbacks of describe(), the
// last one first.
class FakeShard {
public:
    explicit FakeShard(Instant now) : desk(now), thread_([this] { run(); }) {}
    FakeShard(const FakeShard&) = delete;
    FakeShard& operator=(const FakeShard&) = delete;
    ~FakeShard() {
        {
            const MutexLock lock(mutex_);
            is_over_ = true;
        }
        posted_.notify_one();
        thread_.join();
    }
    [[nodiscard]] Post post() {
        return [this](Ask ask) {
            {
                const MutexLock lock(mutex_);
                work_.push_back(std::move(ask));
            }
            posted_.notify_one();
        };
    }
    // For the test while no request is under way: then the shard's thread uses it.
    FakeDesk desk;
    // As if something else kept the shard busy.
    void hang(bool hangs) {
        const MutexLock lock(mutex_);
        hangs_ = hangs;
        posted_.notify_one();
    }

private:
    void run() {
        MutexLock lock(mutex_);
        while (true) {
            while (!is_over_ && (work_.empty() || hangs_)) posted_.wait(lock);
            if (is_over_) return;
            auto ask = std::move(work_.front());
            work_.pop_front();
            lock.unlock();
            // The clock moves before the answer: after that it is the test's again.
            const auto now = desk.now;
            desk.now += desk.turn_time;
            ask(desk, now);
            while (!desk.later.empty()) {
                auto callback = std::move(desk.later.back());
                desk.later.pop_back();
                callback();
            }
            lock.lock();
        }
    }

    Mutex mutex_;
    Condition posted_;
    std::deque<Ask> work_ GUARDED_BY(mutex_);
    bool is_over_ GUARDED_BY(mutex_) = false;
    bool hangs_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace mta::api
