#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/log.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/store.h"

namespace queue::segment_log {

class Inbox;

// The spool of one process: opens the log, and runs it for all shards.
//
//     PosixDisk disk(settings.spool.path);
//     auto service = LogService::open(disk, options);  // recovers; StoreError: do not start
//     auto store = (*service)->make_store(post);       // once for each shard
//     store->load(...);
//
// With Mode::threads one thread writes (group commit: while one batch is synced, the next gathers)
// and one reads; one loads what was queued before, and ends; one keeps house. All completions of a
// batch reach a shard in one call of its `post`. With Mode::steps nothing happens but in step():
// for tests and the simulation.
//
// `disk` must outlive the service, the service must outlive its stores. The destructor writes all
// that was asked for, then a closing mark. It takes less than a second, whatever else is left to
// do.
//
// What no caller waits for is written at once and synced with the next message, or sync_delay
// later. So a client that sends one message after the other costs one sync a message. In
// Mode::steps it is synced when there is nothing else to do, or some steps later.
//
// The members of one thread stand together, whatever that costs in bytes.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
class LogService {
public:
    enum class Mode : std::uint8_t { threads, steps };

    // Hands work to a shard's loop, from any thread. It must not run the work inside the call
    // (Mode::threads), and it must work until that shard's store is destroyed.
    using Post = std::function<void(std::move_only_function<void()>)>;
    // The disk failed: the log accepts nothing any more, every request is answered with `broken`,
    // and the process should report it and end. Called once, on the writer's thread (or in step()).
    using OnFatal = std::function<void(const std::string& text)>;
    // What the administrator should know and what stops nothing. On the writer's thread (or in
    // step()).
    using OnNote = std::function<void(const std::string& text)>;

    static StoreResult<std::unique_ptr<LogService>> open(Disk& disk, const LogOptions& options,
                                                         Mode mode = Mode::threads,
                                                         OnFatal on_fatal = nullptr,
                                                         OnNote on_note = nullptr);
    LogService(const LogService&) = delete;
    LogService& operator=(const LogService&) = delete;
    ~LogService();

    // The shard's store; made and destroyed on that shard's thread. Call load() on one of them
    // only: it hands over everything.
    [[nodiscard]] std::unique_ptr<Store> make_store(Post post);

    // What the opening has found. It is complete when load() has handed over its last batch.
    [[nodiscard]] RecoveryReport report() const { return log_->report(); }
    [[nodiscard]] LogStatistics statistics() const { return log_->statistics(); }

    static constexpr std::chrono::milliseconds sync_delay{100};

    // Mode::steps: does one batch of writes, or else some tending or housekeeping, or finds the old
    // mail, or does one read, or syncs what is not yet. Returns false if there was nothing to do,
    // or nothing that can be done now (LogCondition::Trouble::stalled).
    bool step();
    // Mode::steps: finds the old mail now.
    bool find_old_mail();
    // Mode::steps: looks at the free space again. Mode::threads does so by itself every few
    // seconds.
    void check_space() {
        log_->writer().look_for_room();
        tell();
    }
    // LogOptions::free_percent_min and free_bytes_min, from any thread; refusal() follows at once.
    void set_space_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min) {
        log_->set_space_floors(free_percent_min, free_bytes_min);
    }

private:
    friend class LogStore;
    struct Shard {
        Post post;
        std::weak_ptr<Inbox> inbox;
    };

    // What waits for the reader, or for the loader.
    struct Requests {
        mta::Mutex mutex;
        mta::Condition ready;
        std::deque<ReadRequest> waiting GUARDED_BY(mutex);
        std::atomic<bool> end = false;

        [[nodiscard]] std::optional<ReadRequest> take();
        // Waits for a request. Returns false at the end.
        [[nodiscard]] bool wait();
    };

    using Time = std::chrono::steady_clock::time_point;

    LogService(std::unique_ptr<Log> log, Mode mode, OnFatal on_fatal, OnNote on_note);
    void submit(Operation operation);
    void submit_read(ReadRequest request);
    void remove_shard(std::uint32_t shard);
    void run_writer();
    void run_reader();
    void run_loader();
    void run_helper();
    bool write_once();
    bool read_once();
    bool tend_once();
    bool sync_once();
    // Waits for something to do. Returns false at the end.
    bool wait_for_work();
    void work_until_idle();
    void sync_if_late();
    void wake_helper_if_needed();
    void finish_writing(Time until);
    void tell();
    [[nodiscard]] bool is_stalled() const {
        return log_->condition().has(LogCondition::Trouble::stalled);
    }
    void wake_writer();
    void post(std::uint32_t shard, std::move_only_function<void(Inbox&)> work);
    void post_completions(std::vector<Completion> completions);
    void post_answer(ReadAnswer answer);

    const Mode mode_;
    OnFatal on_fatal_;
    OnNote on_note_;
    std::unique_ptr<Log> log_;
    // For the writer only.
    bool fatal_told_ = false;
    std::optional<Time> sync_by_;  // something is written and not certain
    unsigned unsynced_steps_ = 0;  // Mode::steps: since then

    mta::Mutex shards_mutex_;  // held while posting, so that no work comes after remove_shard()
    std::vector<Shard> shards_ GUARDED_BY(shards_mutex_);

    mta::Mutex writes_mutex_;
    mta::Condition writes_ready_;
    std::vector<Operation> writes_ GUARDED_BY(writes_mutex_);
    bool is_tending_due_ GUARDED_BY(writes_mutex_) = false;
    std::atomic<bool> writes_end_ = false;

    Requests reads_;
    Requests loads_;
    bool is_old_mail_found_ = false;  // for the loader only

    mta::Mutex helper_mutex_;
    mta::Condition helper_ready_;
    bool is_help_due_ GUARDED_BY(helper_mutex_) = false;
    std::atomic<bool> helper_end_ = false;

    std::thread writer_;
    std::thread reader_;
    std::thread loader_;
    std::thread helper_;
};

}  // namespace queue::segment_log
