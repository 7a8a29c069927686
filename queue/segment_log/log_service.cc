#include "queue/segment_log/log_service.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "mta/base/assert.h"
#include "queue/segment_log/inbox.h"
#include "queue/segment_log/log_store.h"
#include "queue/segment_log/segments/housekeeping.h"

namespace queue::segment_log {
namespace {

using namespace std::chrono_literals;
// How often an idle writer looks whether there is room again.
constexpr auto space_check_interval = 5s;
// How long it waits before it tries again, if descriptors or memory are missing.
constexpr auto stall_interval = 100ms;
// The same if room is missing.
constexpr auto full_interval = 1s;
// How long an end may take for work that no caller has asked for.
constexpr auto end_patience = 400ms;
// A sync that no caller waits for comes after so many other steps at the latest.
constexpr unsigned unsynced_steps_max = 8;
// Threads that read what is queued at start.
constexpr unsigned load_threads = 2;

// Signals are for the main loop: a thread that is started while this object lives never gets one.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

}  // namespace

StoreResult<std::unique_ptr<LogService>> LogService::open(Disk& disk, const LogOptions& options,
                                                          Mode mode, OnFatal on_fatal,
                                                          OnNote on_note) {
    auto log = Log::open(disk, options);
    if (!log) return std::unexpected(std::move(log).error());
    return std::unique_ptr<LogService>(
        new LogService(std::move(*log), mode, std::move(on_fatal), std::move(on_note)));
}

LogService::LogService(std::unique_ptr<Log> log, Mode mode, OnFatal on_fatal, OnNote on_note)
    : mode_(mode),
      on_fatal_(std::move(on_fatal)),
      on_note_(std::move(on_note)),
      log_(std::move(log)) {
    if (mode_ == Mode::steps) return;
    const SignalsBlocked blocked;
    writer_ = std::thread([this] { run_writer(); });
    reader_ = std::thread([this] { run_reader(); });
    loader_ = std::thread([this] { run_loader(); });
    helper_ = std::thread([this] { run_helper(); });
}

LogService::~LogService() {
    const auto until = std::chrono::steady_clock::now() + end_patience;
    if (mode_ == Mode::threads) log_->housekeeping().hurry();
    const auto end = [](mta::Mutex& mutex, auto& flag, mta::Condition& ready) {
        {
            const mta::MutexLock lock(mutex);
            flag = true;
        }
        ready.notify_one();
    };
    end(loads_.mutex, loads_.end, loads_.ready);
    if (loader_.joinable()) loader_.join();
    end(writes_mutex_, writes_end_, writes_ready_);
    end(reads_.mutex, reads_.end, reads_.ready);
    end(helper_mutex_, helper_end_, helper_ready_);
    for (auto* thread : {&writer_, &reader_, &helper_}) {
        if (thread->joinable()) thread->join();
    }
    finish_writing(until);
    log_->writer().close(
        [&] { return mode_ == Mode::steps || std::chrono::steady_clock::now() < until; });
}

// Writes what was asked for. A stalled log gets some time, since its trouble may pass.
void LogService::finish_writing(Time until) {
    for (;;) {
        while (write_once()) {
        }
        if (!is_stalled() || mode_ == Mode::steps) return;
        if (std::chrono::steady_clock::now() >= until) return;
        std::this_thread::sleep_for(stall_interval);
    }
}

std::unique_ptr<Store> LogService::make_store(Post post) {
    const mta::MutexLock lock(shards_mutex_);
    const auto shard = static_cast<std::uint32_t>(shards_.size());
    auto inbox = std::make_shared<Inbox>([this, shard](ReadRequest request) {
        request.shard = shard;
        submit_read(std::move(request));
    });
    shards_.push_back({std::move(post), inbox});
    return std::make_unique<LogStore>(*this, shard, std::move(inbox));
}

void LogService::remove_shard(std::uint32_t shard) {
    const mta::MutexLock lock(shards_mutex_);
    shards_[shard] = {};
}

void LogService::submit(Operation operation) {
    {
        const mta::MutexLock lock(writes_mutex_);
        writes_.push_back(std::move(operation));
    }
    if (mode_ == Mode::threads) writes_ready_.notify_one();
}

void LogService::submit_read(ReadRequest request) {
    auto& to = std::holds_alternative<LoadNext>(request.what) ? loads_ : reads_;
    {
        const mta::MutexLock lock(to.mutex);
        to.waiting.push_back(std::move(request));
    }
    if (mode_ == Mode::threads) to.ready.notify_one();
}

std::optional<ReadRequest> LogService::Requests::take() {
    const mta::MutexLock lock(mutex);
    if (waiting.empty()) return std::nullopt;
    auto request = std::move(waiting.front());
    waiting.pop_front();
    return request;
}

bool LogService::Requests::wait() {
    mta::MutexLock lock(mutex);
    while (waiting.empty() && !end) ready.wait(lock);
    return !end;
}

bool LogService::step() {
    MTA_ASSERT(mode_ == Mode::steps);
    unsynced_steps_ = log_->writer().has_unsynced() ? unsynced_steps_ + 1 : 0;
    if (unsynced_steps_ > unsynced_steps_max) return sync_once();
    // Tending comes first: it must not touch what has not been loaded yet.
    return write_once() || tend_once() || log_->housekeeping().step() || find_old_mail() ||
           read_once() || sync_once();
}

bool LogService::find_old_mail() {
    if (is_old_mail_found_) return false;
    auto found = log_->read_old_mail(load_threads, loads_.end);
    if (!found && found.error().kind == StoreError::Kind::no_resources) return false;
    is_old_mail_found_ = true;
    if (found && *found)
        log_->writer().submit({.shard = 0, .ticket = 0, .what = std::move(**found)});
    if (!found && on_fatal_) on_fatal_(found.error().text);
    return true;
}

// Writes one batch of what waits now. What comes while it is synced makes the next one.
bool LogService::write_once() {
    std::vector<Operation> taken;
    {
        const mta::MutexLock lock(writes_mutex_);
        taken.swap(writes_);
    }
    for (auto& operation : taken) log_->writer().submit(std::move(operation));
    if (!log_->writer().has_work()) return false;
    post_completions(log_->writer().commit());
    tell();
    return !is_stalled();
}

void LogService::tell() {
    for (const auto& note : log_->take_notes()) {
        if (on_note_) on_note_(note);
    }
    if (!log_->condition().has(LogCondition::Trouble::broken) || std::exchange(fatal_told_, true) ||
        !on_fatal_)
        return;
    on_fatal_(log_->condition().refusal()->text);
}

bool LogService::tend_once() {
    const bool has_more = log_->writer().tend();
    tell();
    return has_more;
}

bool LogService::sync_once() {
    if (!log_->writer().has_unsynced()) return false;
    log_->writer().sync();
    tell();
    return true;
}

bool LogService::read_once() {
    auto request = reads_.take();
    if (!request && mode_ == Mode::steps && is_old_mail_found_) request = loads_.take();
    if (!request) return false;
    post_answer(log_->answer(*request));
    return true;
}

void LogService::run_writer() {
    while (wait_for_work()) work_until_idle();
}

bool LogService::wait_for_work() {
    const auto now = std::chrono::steady_clock::now();
    Time::duration interval = is_stalled() ? stall_interval : space_check_interval;
    if (log_->condition().has(LogCondition::Trouble::full)) interval = full_interval;
    auto until = now + interval;
    if (sync_by_) until = std::min(until, *sync_by_);
    bool is_idle = false;
    {
        mta::MutexLock lock(writes_mutex_);
        is_idle = !writes_ready_.wait_until(lock, until, [this]() REQUIRES(writes_mutex_) {
            return !writes_.empty() || writes_end_ || is_tending_due_;
        });
        if (writes_end_ && writes_.empty()) return false;
        is_tending_due_ = false;
    }
    if (is_idle && !sync_by_ && !is_stalled()) log_->writer().look_for_room();
    return true;
}

// The end waits for what was asked for, but not for what is left to be tidied.
void LogService::work_until_idle() {
    for (bool has_more = true; has_more;) {
        has_more = write_once();
        sync_if_late();
        if (writes_end_) continue;
        has_more = tend_once() || has_more;
        wake_helper_if_needed();
    }
}

void LogService::sync_if_late() {
    if (!log_->writer().has_unsynced()) {
        sync_by_.reset();
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (!sync_by_) sync_by_ = now + sync_delay;
    if (now < *sync_by_) return;
    sync_once();
    sync_by_.reset();
}

void LogService::wake_helper_if_needed() {
    if (!log_->housekeeping().has_work()) return;
    {
        const mta::MutexLock lock(helper_mutex_);
        is_help_due_ = true;
    }
    helper_ready_.notify_one();
}

void LogService::wake_writer() {
    {
        const mta::MutexLock lock(writes_mutex_);
        is_tending_due_ = true;
    }
    writes_ready_.notify_one();
}

void LogService::run_helper() {
    for (;;) {
        {
            mta::MutexLock lock(helper_mutex_);
            while (!is_help_due_ && !helper_end_) helper_ready_.wait(lock);
            if (helper_end_) return;
            is_help_due_ = false;
        }
        while (!helper_end_ && log_->housekeeping().step()) wake_writer();
    }
}

void LogService::run_loader() {
    auto found = log_->read_old_mail(load_threads, loads_.end);
    while (!found && found.error().kind == StoreError::Kind::no_resources) {
        {
            mta::MutexLock lock(loads_.mutex);
            loads_.ready.wait_for(lock, stall_interval, [&] { return loads_.end.load(); });
            if (loads_.end) return;
        }
        found = log_->read_old_mail(load_threads, loads_.end);
    }
    if (!found && on_fatal_) on_fatal_(found.error().text);
    if (!found || !*found) return;
    submit({.shard = 0, .ticket = 0, .what = std::move(**found)});
    while (loads_.wait()) {
        const auto request = loads_.take();
        MTA_ASSERT(request);  // no other thread takes one
        auto answer = log_->answer(*request);
        const bool was_last = std::get<LoadedBatch>(answer.what).last;
        post_answer(std::move(answer));
        if (!was_last) continue;
        // The memory that the loading has freed lies between what stays. Without this call the
        // process would keep it.
        ::malloc_trim(0);
        return;
    }
}

void LogService::run_reader() {
    while (reads_.wait()) {
        while (!reads_.end && read_once()) {
        }
    }
}

void LogService::post(std::uint32_t shard, std::move_only_function<void(Inbox&)> work) {
    mta::MutexLock lock(shards_mutex_);
    const auto& to = shards_[shard];
    if (!to.post) return;
    auto deliver = [inbox = to.inbox, work = std::move(work)]() mutable {
        if (const auto open = inbox.lock()) work(*open);
    };
    if (mode_ == Mode::threads) {
        to.post(std::move(deliver));
        return;
    }
    // The work may be run at once, and use the service.
    const auto run = to.post;
    lock.unlock();
    run(std::move(deliver));
}

void LogService::post_completions(std::vector<Completion> completions) {
    std::vector<std::vector<Completion>> by_shard;
    for (auto& completion : completions) {
        if (completion.ticket == 0) continue;  // no caller waits
        if (by_shard.size() <= completion.shard) by_shard.resize(completion.shard + 1);
        by_shard[completion.shard].push_back(std::move(completion));
    }
    for (std::uint32_t shard = 0; shard < by_shard.size(); ++shard) {
        if (by_shard[shard].empty()) continue;
        post(shard, [batch = std::move(by_shard[shard])](Inbox& inbox) mutable {
            for (auto& completion : batch) {
                inbox.take(completion.ticket, std::move(completion.result));
            }
        });
    }
}

void LogService::post_answer(ReadAnswer answer) {
    const auto shard = answer.shard;
    post(shard, [answer = std::move(answer)](Inbox& inbox) mutable {
        if (auto* batch = std::get_if<LoadedBatch>(&answer.what)) {
            inbox.take_loaded(std::move(*batch));
        } else if (auto* message = std::get_if<StoreResult<StoredMessage>>(&answer.what)) {
            inbox.take(answer.ticket, std::move(*message));
        } else {
            inbox.take(answer.ticket, std::move(std::get<StoreResult<std::string>>(answer.what)));
        }
    });
}

}  // namespace queue::segment_log
