#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/reading/log_reader.h"
#include "queue/segment_log/segments/housekeeping.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/segments/segment_uses.h"
#include "queue/segment_log/writing/batch.h"
#include "queue/segment_log/writing/batch_effects.h"
#include "queue/segment_log/writing/compaction.h"
#include "queue/segment_log/writing/free_space.h"
#include "queue/segment_log/writing/gathered.h"
#include "queue/segment_log/writing/log_condition.h"
#include "queue/segment_log/writing/operation.h"
#include "queue/segment_log/writing/pending.h"
#include "queue/segment_log/writing/refused_mail.h"
#include "queue/segment_log/writing/streams.h"
#include "queue/segment_log/writing/upload.h"

namespace queue::segment_log {

// Writes what the shards ask for, in batches, and keeps the segments tidy. One thread calls it; any
// thread may call the last functions.
//
//     start -> (submit* -> commit | sync | tend | look_for_room)* -> close
//
// There are three kinds of failure (LogCondition). After an error of a write or a sync everything
// fails, for good, because the bytes on disk count as unknown. If only file descriptors or memory
// are missing, nothing is lost: the next commit tries the same again. If room is missing, the same
// holds, but incoming mail is refused and only the outcomes of other mail wait, until
// look_for_room() finds room.
class LogWriter {
public:
    // All must outlive it.
    struct Parts {
        Disk& disk;
        const LogOptions& options;
        Housekeeping& housekeeping;
        SegmentUses& uses;
        const SegmentFiles& files;
        Index& index;
        LogReader& reader;
        LogCondition& condition;
        FreeSpace& space;
        const std::atomic<MessageId>& next_id;
    };
    explicit LogWriter(const Parts& parts);
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    ~LogWriter();

    // ---- at start ----
    [[nodiscard]] Streams& streams() { return streams_; }
    // Each stream's new segment says that the one before was certain, and where it ends. On a disk
    // without room for the new segments the log starts full: no mail is accepted, and a stream gets
    // its segment with the first write that finds room for it.
    StoreResult<void> start(bool has_cold);

    // Queues it for a later commit(), in the order of the calls. Of each message one Update waits:
    // the next becomes part of it.
    void submit(Operation operation);
    [[nodiscard]] bool has_work() const;
    // Writes ONE batch from the front of the queue, and returns what became of each of its
    // operations, in order. Synced before it returns if a caller waits for one of them; other
    // operations (STATE, DONE) are certain with a later commit's sync, or that of sync().
    [[nodiscard]] std::vector<Completion> commit();
    // Looks at the free space; on a disk that was full, whether there is room for mail again.
    void look_for_room();
    // Whether a power cut could undo something that is written; sync() makes it certain.
    [[nodiscard]] bool has_unsynced() const { return streams_.is_sync_due(); }
    void sync();
    // Does a bounded piece of the other work: copies old mail together, and lets segments go that
    // are not needed. Returns true if there may be more to do.
    bool tend();
    // Writes the closing mark: the next start knows that everything before it was certain, and
    // loses no ids. Nothing may be submitted afterwards, and the helper must have ended. A stalled
    // log ends as if it had been killed. What only saves the next start some reading is done as
    // long as `has_time` returns true.
    void close(const std::function<bool()>& has_time);

    // ---- for all threads ----
    // Whether it is known what the old segments are needed for (AdoptOldMail).
    [[nodiscard]] bool is_loaded() const { return is_loaded_; }
    [[nodiscard]] std::uint64_t recycled() const { return recycled_; }          // segments
    [[nodiscard]] std::uint64_t copied_bytes() const { return copied_bytes_; }  // by compaction

private:
    using Trouble = LogCondition::Trouble;

    [[nodiscard]] Batch make_batch(Stream stream);
    void adopt_old_mail(const AdoptOldMail& old);
    // ---- a commit ----
    std::vector<Completion> commit_batch();
    // Returns false if there is nothing to write, or no place for it.
    bool prepare();
    DiskResult<void> find_place();
    DiskResult<void> make_room(Stream stream, std::uint64_t bytes);
    [[nodiscard]] std::uint64_t carried_bytes() const;
    DiskResult<void> write_prepared();
    void drop_superseded(BatchEffects::Cause cause);
    void check_space_if_due();
    std::vector<Completion> fail_everything();
    // ---- a full disk ----
    [[nodiscard]] bool is_full() const { return condition_.has(Trouble::full); }
    [[nodiscard]] DiskError room_is_kept() const;
    [[nodiscard]] bool is_lack_of_room(const DiskError& error) const;
    void begin_full(const DiskError& error);
    [[nodiscard]] StoreError why_mail_is_refused() const;
    void take_back_mail(const RefusedMail::EndedMail& ended);
    // ---- compaction ----
    bool compact();
    bool write_copies(std::uint64_t room);
    void report_uncopied(SegmentBytes left);
    void put_compaction_off(const DiskError& error);
    // ---- failures ----
    [[nodiscard]] bool is_broken() const { return condition_.has(Trouble::broken); }
    bool break_if_housekeeping_failed();
    void break_down(const DiskError& error);
    // Stalls the log if the error may pass; otherwise breaks it.
    void break_down_or_stall(const DiskError& error);
    DiskResult<void> start_stream(Stream stream);

    Disk& disk_;
    const LogOptions& options_;
    Housekeeping& housekeeping_;
    SegmentUses& uses_;
    Index& index_;
    LogReader& reader_;
    LogCondition& condition_;
    FreeSpace& space_;
    const std::atomic<MessageId>& next_id_;

    Streams streams_;
    Compaction compaction_;
    BatchEffects effects_;
    Uploads uploads_;
    Pending pending_;
    RefusedMail refused_;
    // What is being written, as long as it cannot be written.
    std::optional<Gathered> writing_;
    std::uint64_t room_wanted_ = 0;  // a full disk must have so much before mail is accepted again
    bool is_closed_ = false;

    std::uint64_t commits_ = 0;
    bool is_space_check_due_ = false;
    std::uint64_t unchecked_bytes_ = 0;  // written since the free space was looked at
    bool is_compaction_put_off_ = false;
    std::uint64_t compaction_commit_min_ = 0;  // none before that one

    std::atomic<bool> is_loaded_ = false;
    std::atomic<std::uint64_t> recycled_ = 0;
    std::atomic<std::uint64_t> copied_bytes_ = 0;
};

}  // namespace queue::segment_log
