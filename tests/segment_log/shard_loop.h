#pragma once
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "mta/base/mutex.h"

namespace queue::segment_log {

// A new folder of the real disk, removed at the end.
class TempFolder {
public:
    TempFolder() {
        std::string pattern = testing::TempDir() + "/posthouse-spool-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

// A shard's loop: runs what is posted, on the thread that waits.
class ShardLoop {
public:
    std::function<void(std::move_only_function<void()>)> post() {
        return [this](std::move_only_function<void()> work) {
            {
                const mta::MutexLock lock(mutex_);
                work_.push_back(std::move(work));
                ++posts_;
            }
            ready_.notify_one();
        };
    }
    template <class Condition>
    [[nodiscard]] bool run_until(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            std::move_only_function<void()> next;
            {
                mta::MutexLock lock(mutex_);
                // In slices: the condition may become true without a post.
                const auto has_work = [this]() REQUIRES(mutex_) { return !work_.empty(); };
                if (!ready_.wait_for(lock, std::chrono::milliseconds(20), has_work)) {
                    if (std::chrono::steady_clock::now() > deadline) return false;
                    continue;
                }
                next = std::move(work_.front());
                work_.pop_front();
            }
            next();
        }
        return true;
    }
    void run_posted() {
        const mta::MutexLock lock(mutex_);
        for (auto& work : work_) work();
        work_.clear();
    }
    std::size_t posts() {
        const mta::MutexLock lock(mutex_);
        return posts_;
    }

private:
    mta::Mutex mutex_;
    mta::Condition ready_;
    std::deque<std::move_only_function<void()>> work_ GUARDED_BY(mutex_);
    std::size_t posts_ GUARDED_BY(mutex_) = 0;
};

}  // namespace queue::segment_log
