#include "queue/log/log_service.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <utility>

#include "mta/base/assert.h"
#include "queue/log/inbox.h"
#include "queue/log/log_store.h"

namespace queue::log {
namespace {

using namespace std::chrono_literals;
// How often an idle writer looks whether there is room again.
constexpr auto space_check_interval = 5s;

// Signals are the main loop's: a thread started while this lives never gets one.
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
                                                          Mode mode, OnFatal on_fatal) {
    auto log = Log::open(disk, options);
    if (!log) return std::unexpected(std::move(log).error());
    return std::unique_ptr<LogService>(new LogService(std::move(*log), mode, std::move(on_fatal)));
}

LogService::LogService(std::unique_ptr<Log> log, Mode mode, OnFatal on_fatal)
    : mode_(mode), on_fatal_(std::move(on_fatal)), log_(std::move(log)) {
    if (mode_ == Mode::steps) return;
    const SignalsBlocked blocked;
    writer_ = std::thread([this] { run_writer(); });
    reader_ = std::thread([this] { run_reader(); });
}

LogService::~LogService() {
    {
        const std::lock_guard guard(writes_mutex_);
        writes_end_ = true;
    }
    {
        const std::lock_guard guard(reads_mutex_);
        reads_end_ = true;
    }
    writes_ready_.notify_one();
    reads_ready_.notify_one();
    if (writer_.joinable()) writer_.join();
    if (reader_.joinable()) reader_.join();
    while (write_once()) {
    }
    log_->close();
}

std::unique_ptr<Store> LogService::make_store(Post post) {
    const std::lock_guard guard(shards_mutex_);
    const auto shard = static_cast<std::uint32_t>(shards_.size());
    auto inbox = std::make_shared<Inbox>([this, shard](ReadRequest request) {
        request.shard = shard;
        submit_read(std::move(request));
    });
    shards_.push_back({std::move(post), inbox});
    return std::make_unique<LogStore>(*this, shard, std::move(inbox));
}

void LogService::remove_shard(std::uint32_t shard) {
    const std::lock_guard guard(shards_mutex_);
    shards_[shard] = {};
}

void LogService::submit(Operation operation) {
    {
        const std::lock_guard guard(writes_mutex_);
        writes_.push_back(std::move(operation));
    }
    if (mode_ == Mode::threads) writes_ready_.notify_one();
}

void LogService::submit_read(ReadRequest request) {
    {
        const std::lock_guard guard(reads_mutex_);
        reads_.push_back(std::move(request));
    }
    if (mode_ == Mode::threads) reads_ready_.notify_one();
}

bool LogService::step() {
    MTA_ASSERT(mode_ == Mode::steps);
    return write_once() || read_once();
}

// One batch of what is waiting now; what comes while it is synced makes the next one.
bool LogService::write_once() {
    std::vector<Operation> taken;
    {
        const std::lock_guard guard(writes_mutex_);
        taken.swap(writes_);
    }
    for (auto& operation : taken) log_->submit(std::move(operation));
    if (!log_->has_work()) return false;
    post_completions(log_->commit());
    if (log_->is_broken() && !std::exchange(fatal_told_, true) && on_fatal_) {
        on_fatal_(log_->refusal()->text);
    }
    return true;
}

bool LogService::read_once() {
    ReadRequest request;
    {
        const std::lock_guard guard(reads_mutex_);
        if (reads_.empty()) return false;
        request = std::move(reads_.front());
        reads_.pop_front();
    }
    post_answer(log_->answer(request));
    return true;
}

void LogService::run_writer() {
    for (;;) {
        {
            std::unique_lock lock(writes_mutex_);
            const bool has_more = writes_ready_.wait_for(
                lock, space_check_interval, [&] { return !writes_.empty() || writes_end_; });
            if (writes_end_ && writes_.empty()) return;
            if (!has_more) {
                lock.unlock();
                log_->check_space();
                continue;
            }
        }
        while (write_once()) {
        }
    }
}

void LogService::run_reader() {
    for (;;) {
        {
            std::unique_lock lock(reads_mutex_);
            reads_ready_.wait(lock, [&] { return !reads_.empty() || reads_end_; });
            if (reads_end_) return;
        }
        while (read_once()) {
        }
    }
}

void LogService::post(std::uint32_t shard, std::move_only_function<void(Inbox&)> work) {
    std::unique_lock lock(shards_mutex_);
    const auto& to = shards_[shard];
    if (!to.post) return;
    auto deliver = [inbox = to.inbox, work = std::move(work)]() mutable {
        if (const auto open = inbox.lock()) work(*open);
    };
    if (mode_ == Mode::threads) {
        to.post(std::move(deliver));
        return;
    }
    // It may be run at once, and use the service.
    const auto run = to.post;
    lock.unlock();
    run(std::move(deliver));
}

void LogService::post_completions(std::vector<Completion> completions) {
    std::vector<std::vector<Completion>> by_shard;
    for (auto& completion : completions) {
        if (completion.ticket == 0) continue;  // nobody asked
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

}  // namespace queue::log
