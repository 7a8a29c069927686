#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/reading/read_request.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/writing/operation.h"
#include "queue/segment_log/writing/upload.h"
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

class Batch;
class Compaction;
class Housekeeping;
class LogReader;
class OldMail;
class Pending;
class Segments;
struct Survey;
struct SpoolVersion;

// The segment log (queue/FORMAT.md), without threads and without a clock. Five roles, each of which
// may have a thread of its own (LogService gives them theirs; a test plays all):
//
//   the writer    submit, has_work, commit, tend, close
//   the reader    answer
//   the loader    read_old_mail, load_next
//   the helper    housekeeping()
//   anybody       allocate_id, refusal, report, statistics, check_space
class Log {  // NOLINT(clang-analyzer-optin.performance.Padding): sorted by role
public:
    // Takes the lock, looks through the spool, starts a new segment: from now on new mail can be
    // written. What was queued before is the loader's to find. The error's text says what to do.
    // `disk` must outlive the log.
    static StoreResult<std::unique_ptr<Log>> open(Disk& disk, const LogOptions& options);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    // Writes nothing: as if the process had been killed. close() first for a tidy end.
    ~Log();

    // ---- The writer ----
    // Queues it for a later commit(), in the order of the calls. Of each message one Update waits:
    // the next becomes part of it.
    void submit(Operation operation);
    [[nodiscard]] bool has_work() const;
    // Writes ONE batch from the front of the queue, and returns what became of each of its
    // operations, in order. Synced before it returns if anybody waits for one of them; what nobody
    // waits for (STATE, DONE) is certain with a later commit's sync, or that of sync(). After the
    // first error everything fails: the bytes on disk count as unknown, and only a restart
    // (recovery) tells. If only file descriptors or memory are missing, nothing is lost: the next
    // commit tries the same again (is_stalled()). So it does if room is missing, but mail that came
    // in is refused then (no_space) and only what comes of other mail waits, until look_for_room()
    // finds room.
    [[nodiscard]] std::vector<Completion> commit();
    // Looks at the free space; on a disk that was full, whether there is room for mail again.
    void look_for_room();
    [[nodiscard]] bool is_full() const { return is_full_; }
    // Something is written that a power cut could undo, and sync() would make it certain.
    [[nodiscard]] bool has_unsynced() const { return is_sync_due_; }
    void sync();
    // What has to be done besides, a bounded piece of it: copies old mail together, lets go of
    // segments that are not needed. True: there may be more to do.
    bool tend();
    // The closing mark: the next start knows that everything before it was certain, and loses no
    // ids. Nothing may be submitted afterwards, and the helper must have ended. A stalled log ends
    // as if it had been killed. What only saves the next start some reading is done as long as
    // `has_time` says so.
    void close(const std::function<bool()>& has_time = [] { return true; });
    [[nodiscard]] bool is_broken() const;

    // ---- The reader ----
    [[nodiscard]] ReadAnswer answer(const ReadRequest& request);

    // ---- The loader ----
    // Finds what was queued when the log was opened. Long. What it returns must be submitted before
    // anything about a message that load_next() hands over. Nothing: stopped. An error: the disk
    // did not answer.
    StoreResult<std::optional<AdoptOldMail>> read_old_mail(unsigned threads,
                                                           const std::atomic<bool>& stop);
    [[nodiscard]] LoadedBatch load_next();

    // ---- The helper ----
    [[nodiscard]] Housekeeping& housekeeping() { return *housekeeping_; }

    // ---- Anybody ----
    // What people should know, and what does not stop anything; each once.
    [[nodiscard]] std::vector<std::string> take_notes();
    [[nodiscard]] MessageId allocate_id() { return next_id_.fetch_add(1); }
    [[nodiscard]] std::optional<StoreError> refusal() const;
    // The last commit could not write for now; refusal() says why until one can.
    [[nodiscard]] bool is_stalled() const { return is_stalled_; }
    // What the opening found; after read_old_mail() also what that found.
    [[nodiscard]] RecoveryReport report() const;
    [[nodiscard]] LogStatistics statistics() const;
    void check_space();
    // As in LogOptions; felt at the next check_space().
    void set_space_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min);

private:
    Log(Disk& disk, const LogOptions& options);
    static LogOptions fit(LogOptions options, Disk& disk);
    StoreResult<void> start();
    StoreResult<void> start_streams(bool has_cold);
    DiskResult<void> start_stream(Stream stream);
    using EndedMail = std::set<MessageId>;  // a Finish of it waits, without reports
    StoreResult<Uuid> settle_version(const std::optional<SpoolVersion>& known, Survey& survey);
    void adopt_segments(const Survey& survey);
    void adopt_old_mail(const AdoptOldMail& old);
    // From the front of the queue, as much as one batch holds; `bytes` gets the room it may need
    // beside DONEs that are carried.
    std::vector<Operation> take_batch(std::uint64_t& bytes);
    DiskResult<void> make_room(Stream stream, std::uint64_t bytes);
    [[nodiscard]] bool is_short_of_room() const;
    [[nodiscard]] bool is_lack_of_room(const DiskError& error) const;
    [[nodiscard]] std::uint64_t outcome_room(const DiskSpace& space) const;
    [[nodiscard]] bool is_saving() const;
    [[nodiscard]] std::uint64_t scarce_room() const;
    [[nodiscard]] bool writes_mail() const;
    [[nodiscard]] DiskError room_is_kept() const;
    DiskResult<void> find_place();
    [[nodiscard]] std::optional<StoreError> why_full() const;
    void begin_full(const DiskError& error);
    void take_back_mail(const EndedMail& ended);
    void refuse_mail(Operation& operation, const EndedMail& ended = {});
    [[nodiscard]] bool is_refused(const Operation& operation);
    // False: there is nothing to write, or no room for it.
    bool prepare();
    DiskResult<void> write_batch(Stream stream, Batch& batch);
    DiskResult<void> sync_stream(Stream stream);
    void apply(Batch& batch);
    // `whole_bytes`: what it takes, or would take, with all recipients.
    void apply_state(MessageId id, const Location& where, bool is_whole, std::uint64_t whole_bytes);
    void apply_done(const DoneMark& mark);
    void apply_copied(MessageId id, const LiveMessage& message);
    void drop_when_synced(std::uint64_t segment, std::uint64_t bytes);
    // `earns`: not after a copy, or copying would pay for itself without end.
    void drop_needless(bool earns);
    bool compact();
    void tell_uncopied(SegmentBytes left);
    void put_compaction_off(const DiskError& error);
    void check_space_if_due();
    DiskResult<void> write_mark(Stream stream, std::uint64_t ceiling);
    [[nodiscard]] std::uint64_t& durable_lsn(Stream stream) {
        return durable_lsn_[static_cast<std::size_t>(stream)];
    }
    [[nodiscard]] std::uint64_t id_ceiling() const;
    void break_down(const DiskError& error);
    // Not for what passes: the log is stalled then.
    void break_down_or_stall(const DiskError& error);
    void set_stalled(std::optional<StoreError> why);
    std::vector<Completion> commit_batch();
    std::vector<Completion> fail_everything();

    Disk& disk_;
    LogOptions options_;  // constant after start()
    std::atomic<std::uint32_t> free_percent_min_;
    std::atomic<std::uint64_t> free_bytes_min_;
    std::unique_ptr<Disk::Lock> lock_;
    mutable mta::Mutex report_mutex_;
    RecoveryReport report_ GUARDED_BY(report_mutex_);

    std::atomic<MessageId> next_id_ = 1;
    mutable mta::Mutex refusal_mutex_;
    std::optional<StoreError> broken_ GUARDED_BY(refusal_mutex_);  // set once
    std::optional<StoreError> stalled_ GUARDED_BY(refusal_mutex_);
    std::optional<StoreError> full_ GUARDED_BY(refusal_mutex_);
    std::optional<StoreError> no_space_ GUARDED_BY(refusal_mutex_);
    std::vector<std::string> notes_ GUARDED_BY(refusal_mutex_);

    std::atomic<bool> is_stalled_ = false;
    // As check_space() saw it, and how much of it is kept free of mail.
    std::atomic<std::uint64_t> free_bytes_ = ~std::uint64_t{0};
    std::atomic<std::uint64_t> kept_bytes_ = 0;

    std::unique_ptr<Housekeeping> housekeeping_;
    std::unique_ptr<Segments> segments_;
    Index index_;
    std::unique_ptr<LogReader> reader_;
    // The loader's.
    std::unique_ptr<OldMail> old_mail_;
    std::atomic<bool> is_loaded_ = false;

    // What is being written: once it has its place, the batch that is made of it.
    struct Writing {
        std::vector<Operation> operations;
        std::uint64_t bytes = 0;  // the room that they may need
        std::vector<Completion> completions;
        std::unique_ptr<Batch> batch;
    };

    // The writer's own.
    std::unique_ptr<Pending> pending_;
    std::optional<Writing> writing_;  // as long as it cannot be written
    bool is_sync_due_ = false;
    // A write has found no room, and none was found since for room_wanted_ more.
    bool is_full_ = false;
    std::uint64_t room_wanted_ = 0;
    std::set<MessageId> cut_off_;      // bodies of which a piece was refused
    std::vector<Completion> refused_;  // of mail, for the next commit() to return
    // What the hot stream's unsynced records make needless, once they are certain.
    std::vector<SegmentBytes> needless_;
    bool is_compaction_put_off_ = false;
    std::uint64_t compaction_commit_min_ = 0;  // none before that one
    Uploads uploads_;
    std::unique_ptr<Compaction> compaction_;
    std::uint64_t next_lsn_ = 1;
    std::array<std::uint64_t, stream_count> durable_lsn_{};
    bool is_closed_ = false;
    std::uint64_t commits_ = 0;
    bool is_space_check_due_ = false;
    std::uint64_t unchecked_bytes_ = 0;  // written since the free space was looked at

    std::atomic<std::uint64_t> batches_ = 0;
    std::atomic<std::uint64_t> syncs_ = 0;
    std::atomic<std::uint64_t> recycled_ = 0;
    std::atomic<std::uint64_t> copied_bytes_ = 0;
};

}  // namespace queue::segment_log
