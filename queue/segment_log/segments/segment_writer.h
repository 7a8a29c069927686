#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/segments/housekeeping.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/segments/segment_uses.h"

namespace queue::segment_log {

// Writes one stream: the segment that is open, and the step from one segment to the next.
//
//     start_next -> (reserve) -> append -> start_writing or sync -> append ... -> start_next
//
// After a failed append, cut() removes what it may have left; after a failed sync nothing may be
// written any more, because it is not known what is on the medium.
class SegmentWriter {
public:
    // All must outlive it.
    SegmentWriter(Stream stream, const LogOptions& options, Housekeeping& housekeeping,
                  SegmentUses& uses)
        : stream_(stream), options_(options), housekeeping_(housekeeping), uses_(uses) {}
    SegmentWriter(const SegmentWriter&) = delete;
    SegmentWriter& operator=(const SegmentWriter&) = delete;
    ~SegmentWriter() = default;

    // At start: the segment that the stream's next one names as its predecessor, and where its
    // records end.
    void set_previous(std::uint64_t number, std::uint64_t end);

    // Closes the current segment (synced) and starts the next: its file has a synced header and a
    // synced name.
    DiskResult<void> start_next(std::uint64_t first_lsn);
    // Takes the room for so many bytes behind the end, and more if there is more, so that an append
    // of them finds it. For a disk that is nearly full.
    DiskResult<void> reserve(std::uint64_t bytes);
    // While room is short, nothing is written ahead, and a closed segment gives back what lies
    // behind its end.
    void save_room(bool is_room_short) { is_room_short_ = is_room_short; }
    // Appends bytes, which are not certain before sync().
    DiskResult<void> append(std::string_view bytes);
    // Removes, for certain, what a failed append() has left.
    DiskResult<void> cut();
    // Starts writing out what was appended last, without waiting for it.
    void start_writing();
    DiskResult<void> sync();

    [[nodiscard]] bool is_open() const { return file_ != nullptr; }
    [[nodiscard]] bool is_synced() const { return is_synced_; }
    // A closed segment is always synced.
    [[nodiscard]] bool holds_unsynced() const { return is_open() && !is_synced_; }
    [[nodiscard]] bool has_sync_failed() const { return has_sync_failed_; }
    // Of the open segment; 0 if none is open.
    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] Generation generation() const { return generation_; }
    [[nodiscard]] const SegmentOrigin& origin() const { return origin_; }
    [[nodiscard]] std::uint64_t end() const { return end_; }
    [[nodiscard]] bool is_fresh() const { return end_ == segment_header_bytes; }

private:
    DiskResult<void> seal();
    void trim();
    DiskResult<void> fill_ahead();
    void update_size();

    const Stream stream_;
    const LogOptions& options_;
    Housekeeping& housekeeping_;
    SegmentUses& uses_;
    bool is_room_short_ = false;
    bool has_sync_failed_ = false;

    std::unique_ptr<DiskFile> file_;
    std::uint64_t number_ = 0;
    Generation generation_;
    SegmentOrigin origin_;
    std::uint64_t end_ = 0;
    std::uint64_t filled_ = 0;   // the file has bytes up to here
    std::uint64_t started_ = 0;  // the disk has been asked to write up to here
    bool is_synced_ = true;
    std::uint64_t previous_ = 0;
    std::uint64_t previous_end_ = 0;
};

}  // namespace queue::segment_log
