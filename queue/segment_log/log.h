#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/reading/log_reader.h"
#include "queue/segment_log/reading/read_request.h"
#include "queue/segment_log/recovery/old_mail.h"
#include "queue/segment_log/recovery/recovery.h"
#include "queue/segment_log/segments/housekeeping.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/segments/segment_files.h"
#include "queue/segment_log/segments/segment_uses.h"
#include "queue/segment_log/writing/free_space.h"
#include "queue/segment_log/writing/log_condition.h"
#include "queue/segment_log/writing/log_writer.h"
#include "queue/segment_log/writing/operation.h"
#include "queue/store.h"

namespace queue::segment_log {

struct LogStatistics {
    std::uint64_t messages = 0;       // queued
    std::uint64_t segments = 0;       // files in seg/
    std::uint64_t segment_bytes = 0;  // written in them, live or not
    std::uint64_t live_bytes = 0;     // of messages that are queued
    std::uint64_t batches = 0;        // since start
    std::uint64_t syncs = 0;          // since start
    std::uint64_t recycled = 0;       // segments since start
    std::uint64_t copied_bytes = 0;   // by compaction, since start
    bool is_loaded = false;           // what was queued at start has been found
    std::uint64_t damaged_reads = 0;  // since start; the bytes are in quarantine/
    std::uint64_t damages_met = 0;    // of RecoveryReport::damages_met
};

// The segment log (queue/FORMAT.md), without threads and without a clock. It opens the spool and
// ties its parts together. It has five roles. Each may have a thread of its own: LogService gives
// them threads, and a test plays all:
//
//   the writer    writer()
//   the reader    answer
//   the loader    read_old_mail, load_next
//   the helper    housekeeping()
//   any thread    allocate_id, condition, report, statistics, check_space
class Log {
public:
    // Takes the lock, surveys the spool and starts a new segment: from now on new mail can be
    // written. The loader finds what was queued before. The error's text says what to do. `disk`
    // must outlive the log.
    static StoreResult<std::unique_ptr<Log>> open(Disk& disk, const LogOptions& options);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    // Writes nothing, as if the process had been killed. For a tidy end, call LogWriter::close()
    // first.
    ~Log();

    [[nodiscard]] LogWriter& writer() { return parts_->writer; }
    [[nodiscard]] Housekeeping& housekeeping() { return parts_->housekeeping; }

    // ---- The reader ----
    [[nodiscard]] ReadAnswer answer(const ReadRequest& request);

    // ---- The loader ----
    // Finds what was queued when the log was opened, which may take long. What it returns must be
    // submitted before anything about a message that load_next() hands over. Empty if it was
    // stopped. An error means that the disk did not answer.
    StoreResult<std::optional<AdoptOldMail>> read_old_mail(unsigned threads,
                                                           const std::atomic<bool>& stop);
    [[nodiscard]] LoadedBatch load_next();

    // ---- Any thread ----
    [[nodiscard]] MessageId allocate_id() { return next_id_.fetch_add(1); }
    [[nodiscard]] const LogCondition& condition() const { return condition_; }
    // What the administrator should know and what stops nothing. Each note is returned once.
    [[nodiscard]] std::vector<std::string> take_notes() { return condition_.take_notes(); }
    // What the opening found; after read_old_mail() also what that found.
    [[nodiscard]] RecoveryReport report() const;
    [[nodiscard]] LogStatistics statistics() const;
    void check_space() { parts_->space.look(); }
    // As in LogOptions; refusal() follows at once.
    void set_space_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min);

private:
    // Each needs only those before it.
    struct Parts {
        Parts(Disk& disk, const LogOptions& options, const Uuid& spool, Index& index,
              LogCondition& condition, const std::atomic<MessageId>& next_id);

        Housekeeping housekeeping;
        SegmentFiles files;
        SegmentUses uses;
        LogReader reader;
        FreeSpace space;
        LogWriter writer;
    };

    Log(Disk& disk, const LogOptions& options);
    StoreResult<void> start();
    StoreResult<Uuid> settle_version(const std::optional<SpoolVersion>& known, Survey& survey);
    void adopt_segments(const Survey& survey);

    Disk& disk_;
    LogOptions options_;  // constant after start()
    std::unique_ptr<Disk::Lock> lock_;
    mutable mta::Mutex report_mutex_;
    RecoveryReport report_ GUARDED_BY(report_mutex_);
    std::atomic<MessageId> next_id_ = 1;
    LogCondition condition_;
    Index index_;
    std::unique_ptr<Parts> parts_;       // after start()
    std::unique_ptr<OldMail> old_mail_;  // for the loader only
};

}  // namespace queue::segment_log
