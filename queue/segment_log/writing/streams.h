#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "queue/message.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/segments/segment_writer.h"
#include "queue/segment_log/writing/batch.h"

namespace queue::segment_log {

// The hot and the cold stream, and what they share: one row of lsns, and the lsn up to which each
// stream is certain. Only the writer uses it; any thread may call the last functions.
class Streams {
public:
    // All must outlive it.
    Streams(const LogOptions& options, Housekeeping& housekeeping, SegmentUses& uses,
            const std::atomic<MessageId>& next_id);

    [[nodiscard]] SegmentWriter& at(Stream stream) { return stream == Stream::hot ? hot_ : cold_; }
    [[nodiscard]] SegmentWriter& hot() { return hot_; }
    // At start: all lower ones are certain.
    void set_next_lsn(std::uint64_t lsn);
    [[nodiscard]] std::uint64_t next_lsn() const { return next_lsn_; }

    // Closing a segment syncs it.
    DiskResult<void> start_next(Stream stream);
    // Completes the batch and writes it. Synced before it returns if a caller waits for it.
    DiskResult<void> write(Stream stream, Batch& batch);
    DiskResult<void> sync(Stream stream);
    // A BATCH record alone, synced: everything before it in the stream is certain, and no id from
    // `id_ceiling` on has been given away. Does nothing if the stream has no open segment.
    DiskResult<void> write_mark(Stream stream, Batch mark, std::uint64_t id_ceiling);
    // No id is given away before it is certain that no later start gives it again.
    [[nodiscard]] std::uint64_t id_ceiling() const;

    // Whether the hot stream holds something that a power cut could undo and that should be synced
    // soon.
    [[nodiscard]] bool is_sync_due() const { return is_sync_due_; }
    void forget_sync() { is_sync_due_ = false; }
    // Whether a sync has failed, so that it is not known what is on the medium.
    [[nodiscard]] bool has_sync_failed() const {
        return hot_.has_sync_failed() || cold_.has_sync_failed();
    }
    void save_room(bool is_room_short);

    // ---- for all threads ----
    [[nodiscard]] std::uint64_t batches() const { return batches_; }
    [[nodiscard]] std::uint64_t syncs() const { return syncs_; }

private:
    [[nodiscard]] std::uint64_t& durable_lsn(Stream stream) {
        return durable_lsn_[static_cast<std::size_t>(stream)];
    }

    Housekeeping& housekeeping_;
    const std::atomic<MessageId>& next_id_;
    SegmentWriter hot_;
    SegmentWriter cold_;
    std::uint64_t next_lsn_ = 1;
    std::array<std::uint64_t, stream_count> durable_lsn_{};
    bool is_sync_due_ = false;
    std::atomic<std::uint64_t> batches_ = 0;
    std::atomic<std::uint64_t> syncs_ = 0;
};

}  // namespace queue::segment_log
