#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "queue/log/disk.h"
#include "queue/log/index.h"
#include "queue/log/log_options.h"
#include "queue/log/segment_header.h"
#include "queue/log/upload.h"
#include "queue/store.h"

namespace queue::log {

// What a shard asks the log to write. `shard` and `ticket` come back with the completion.
struct Enqueue {
    std::shared_ptr<const Message> message;
};
struct AppendBody {
    MessageId id = 0;
    std::string chunk;
};
struct DiscardBody {
    MessageId id = 0;
};
struct Update {
    MessageId id = 0;
    std::vector<RecipientState> states;
    std::vector<std::shared_ptr<const Message>> reports;
};
struct Finish {
    MessageId id = 0;
    std::vector<std::shared_ptr<const Message>> reports;
};
struct Operation {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    std::variant<Enqueue, AppendBody, DiscardBody, Update, Finish> what;
};
struct Completion {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    StoreResult<void> result;
};

struct ReadMessage {
    MessageId id = 0;
};
struct ReadBody {
    MessageId id = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
};
// The next batch of what was queued at start.
struct LoadNext {};
struct ReadRequest {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    std::variant<ReadMessage, ReadBody, LoadNext> what;
};
struct LoadedBatch {
    std::vector<StoredMessage> messages;
    bool last = false;
};
struct ReadAnswer {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    std::variant<StoreResult<StoredMessage>, StoreResult<std::string>, LoadedBatch> what;
};

struct LogStatistics {
    std::uint64_t messages = 0;       // queued
    std::uint64_t segments = 0;       // files in seg/
    std::uint64_t segment_bytes = 0;  // written in them, live or not
    std::uint64_t live_bytes = 0;     // of messages that are queued
    std::uint64_t batches = 0;        // since start
    std::uint64_t syncs = 0;          // since start
    std::uint64_t recycled = 0;       // segments since start
    std::uint64_t damaged_reads = 0;  // since start; the bytes are in quarantine/
};

class Batch;
class LogReader;
class Segments;
struct Recovered;
struct SpoolVersion;

// The segment log (queue/FORMAT.md), without threads and without a clock. Three roles, each of
// which may have a thread of its own (LogService gives them theirs; a test plays all):
//
//   the writer    submit, has_work, commit, close
//   the reader    answer
//   anybody       allocate_id, refusal, report, statistics, check_space
class Log {
public:
    // Takes the lock, recovers, starts a new segment. The error's text says what to do. `disk` must
    // outlive the log.
    static StoreResult<std::unique_ptr<Log>> open(Disk& disk, const LogOptions& options);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    // Writes nothing: as if the process had been killed. close() first for a tidy end.
    ~Log();

    // Queues it for a later commit(), in the order of the calls.
    void submit(Operation operation);
    [[nodiscard]] bool has_work() const { return !pending_.empty(); }
    // Writes and syncs ONE batch from the front of the queue, and returns what became of each of
    // its operations, in order. After the first error everything fails: the bytes on disk count as
    // unknown, and only a restart (recovery) tells.
    [[nodiscard]] std::vector<Completion> commit();
    // The closing mark: the next start knows that everything before it was certain, and loses no
    // ids. Nothing may be submitted afterwards.
    void close();
    [[nodiscard]] bool is_broken() const;

    [[nodiscard]] ReadAnswer answer(const ReadRequest& request);

    [[nodiscard]] MessageId allocate_id() { return next_id_.fetch_add(1); }
    [[nodiscard]] std::optional<StoreError> refusal() const;
    [[nodiscard]] const RecoveryReport& report() const { return report_; }
    [[nodiscard]] LogStatistics statistics() const;
    void check_space();

private:
    Log(Disk& disk, const LogOptions& options);
    StoreResult<void> start();
    StoreResult<Uuid> settle_version(const std::optional<SpoolVersion>& known,
                                     const Recovered& recovered);
    void adopt(Recovered& recovered);
    // From the front of the queue, as much as one batch holds; `bytes` gets the room it may need.
    std::vector<Operation> take_batch(std::uint64_t& bytes);
    DiskResult<void> make_room(std::uint64_t bytes);
    DiskResult<void> write_batch(Batch& batch);
    void apply(Batch& batch);
    [[nodiscard]] std::uint64_t id_ceiling() const;
    void break_down(const DiskError& error);
    std::vector<Completion> fail_everything(std::vector<Operation> taken);

    Disk& disk_;
    const LogOptions options_;
    std::unique_ptr<Disk::Lock> lock_;
    RecoveryReport report_;

    std::atomic<MessageId> next_id_ = 1;
    mutable std::mutex refusal_mutex_;
    std::optional<StoreError> broken_;    // under refusal_mutex_, set once
    std::optional<StoreError> no_space_;  // under refusal_mutex_

    std::unique_ptr<Segments> segments_;
    Index index_;
    std::unique_ptr<LogReader> reader_;

    // The writer's own.
    std::deque<Operation> pending_;
    Uploads uploads_;
    std::uint64_t next_lsn_ = 1;
    std::uint64_t durable_lsn_ = 0;
    bool is_closed_ = false;

    std::atomic<std::uint64_t> batches_ = 0;
    std::atomic<std::uint64_t> syncs_ = 0;
    std::atomic<std::uint64_t> recycled_ = 0;
};

}  // namespace queue::log
