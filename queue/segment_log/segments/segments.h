#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/message.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/disk/open_files.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/segments/housekeeping.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"

namespace queue::segment_log {

// A segment for reading. Any thread may read; the file is opened when it is read. As long as
// somebody holds one, its segment is not recycled.
class SegmentFile {
public:
    SegmentFile(std::shared_ptr<OpenFiles> open_files, std::uint64_t number, Generation generation)
        : open_files_(std::move(open_files)), number_(number), generation_(generation) {}
    SegmentFile(const SegmentFile&) = delete;
    SegmentFile& operator=(const SegmentFile&) = delete;
    ~SegmentFile() { open_files_->close(number_); }

    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] Generation generation() const { return generation_; }
    DiskResult<std::string> read(std::uint64_t offset, std::size_t length);

private:
    const std::shared_ptr<OpenFiles> open_files_;
    const std::uint64_t number_;
    const Generation generation_;
};

// The folder seg/: the segments that are written, one a stream, the older ones, and what in each is
// still needed. One thread changes it; find() and the counters are for all.
//
// A segment is needed while it holds a record of a queued message, or a DONE whose message's home
// segment still exists: without that DONE the next start would bring the finished message back. So
// a home goes first, for certain, and its DONEs later. Where only DONEs are left, they are written
// again (dones_to_carry). Where little else is left, it is copied out by Compaction.
//
// Nothing is moved away before hold_back(false): as long as old mail is being loaded, nobody knows
// what an old segment is needed for.
class Segments {
public:
    // All must outlive it.
    Segments(Disk& disk, const LogOptions& options, Housekeeping& housekeeping);
    ~Segments();
    Segments(const Segments&) = delete;
    Segments& operator=(const Segments&) = delete;

    // ---- at start, what recovery found ----
    struct Adopted {
        std::uint64_t number = 0;
        Generation generation;
        std::uint64_t end = 0;
        std::uint64_t file_bytes = 0;
    };
    void adopt(const Adopted& segment);
    // The segment that the stream's next one names as its predecessor, and where its records end.
    void set_previous(Stream stream, std::uint64_t number, std::uint64_t end);
    void hold_back(bool is_held_back) { is_held_back_ = is_held_back; }

    // ---- the segments that are written ----
    // Closes the stream's current one (synced) and starts the next: its file has a synced header
    // and a synced name.
    DiskResult<void> start_next(Stream stream, std::uint64_t first_lsn);
    // Takes the room for so many bytes behind the current one's end, and for some more if there is
    // any: an append of them then finds it. For a disk that is nearly full.
    DiskResult<void> reserve(Stream stream, std::uint64_t bytes);
    // Room is short: nothing is written ahead, no segment is made before it is needed or kept when
    // it is empty, and a closed one gives back what lies behind its end.
    void save_room(bool is_room_short) {
        is_room_short_ = is_room_short;
        housekeeping_.save_room(is_room_short);
    }
    [[nodiscard]] bool is_open(Stream stream) const { return open_of(stream).file != nullptr; }
    // 0: none is open.
    [[nodiscard]] std::uint64_t current(Stream stream) const { return open_of(stream).number; }
    [[nodiscard]] Generation generation(Stream stream) const { return open_of(stream).generation; }
    [[nodiscard]] const SegmentOrigin& origin(Stream stream) const {
        return open_of(stream).origin;
    }
    [[nodiscard]] std::uint64_t end(Stream stream) const { return open_of(stream).end; }
    [[nodiscard]] bool is_fresh(Stream stream) const {
        return open_of(stream).end == segment_header_bytes;
    }
    // Behind what is there. Not certain before sync().
    DiskResult<void> append(Stream stream, std::string_view bytes);
    // What a failed append() may have left behind is gone for certain.
    DiskResult<void> cut(Stream stream);
    // What was appended last need not be certain yet, but should be on its way.
    void start_writing(Stream stream);
    DiskResult<void> sync(Stream stream);
    [[nodiscard]] bool is_synced(Stream stream) const { return open_of(stream).is_synced; }
    // Nobody knows what is on the medium.
    [[nodiscard]] bool has_sync_failed() const { return has_sync_failed_; }
    // What was closed is synced.
    [[nodiscard]] bool holds_unsynced(Stream stream) const {
        return is_open(stream) && !is_synced(stream);
    }

    // ---- what is needed ----
    [[nodiscard]] bool contains(std::uint64_t number) const { return uses_.contains(number); }
    void add_live(std::uint64_t number, std::uint64_t bytes);
    void drop_live(std::uint64_t number, std::uint64_t bytes);
    // Nothing to note if its home is that same segment or has gone.
    void add_done(std::uint64_t number, const DoneMark& done);
    // DONEs that must be written again before their segments can go; nothing new until
    // carried() has said that they are certain. So many bytes at most are written for each that a
    // segment can go by it.
    [[nodiscard]] const std::vector<DoneMark>& dones_to_carry() const { return to_carry_; }
    void carried();
    static constexpr std::uint64_t carried_bytes = aligned(record_header_bytes + done_bytes);
    static constexpr std::uint64_t freed_bytes_per_carried = 4;  // at least
    // Hands what is not needed any more to housekeeping, and takes note of what has gone for
    // certain: those are returned. What could not be moved stays until the next start; it endangers
    // nothing. Costs no more than what has changed since the last call, however many DONEs there
    // are.
    std::vector<std::uint64_t> recycle();

    // ---- compaction ----
    struct Victim {
        std::uint64_t number = 0;
        std::uint64_t end = 0;
        std::uint64_t live_bytes = 0;
    };
    // The closed segment that is best worth copying out of, if any is: under a quarter of it is
    // live and it is not among the youngest; or all of them take more than twice what is live, and
    // some segments. Where room is scarce (`scarce_room` is how much is left; 0: it is not): any of
    // which a quarter is dead and whose copies leave a quarter of that room. A walk over all
    // segments.
    [[nodiscard]] std::optional<Victim> choose_victim(std::uint64_t scarce_room) const;
    // All that could be copied out of it was. Returns the live bytes that are left in it.
    std::uint64_t note_compacted(std::uint64_t number);

    // ---- for all threads ----
    // Nothing: no such segment (any more).
    [[nodiscard]] std::shared_ptr<SegmentFile> find(std::uint64_t number) const;
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }

private:
    struct Use {
        enum class Fate : std::uint8_t {
            kept,      // as long as it is needed
            carried,   // its DONEs are in to_carry_
            retiring,  // housekeeping has it
            stuck,     // could not be moved away: stays until the next start
        };
        std::uint64_t end = 0;
        std::uint64_t file_bytes = 0;
        std::uint64_t live_bytes = 0;
        // The messages that end in it, by the segments that would bring them back.
        std::map<std::uint64_t, std::vector<MessageId>> dones;
        std::uint64_t done_count = 0;
        Fate fate = Fate::kept;
        std::uint64_t live_after_compaction = 0;  // could not be copied: no use to try again
    };
    struct Open {
        std::unique_ptr<DiskFile> file;
        std::uint64_t number = 0;
        Generation generation;
        SegmentOrigin origin;
        std::uint64_t end = 0;
        std::uint64_t filled = 0;   // the file has bytes up to here
        std::uint64_t started = 0;  // the disk has been asked to write up to here
        bool is_synced = true;
        std::uint64_t previous = 0;
        std::uint64_t previous_end = 0;
    };

    [[nodiscard]] Open& open_of(Stream stream) { return open_[static_cast<std::size_t>(stream)]; }
    [[nodiscard]] const Open& open_of(Stream stream) const {
        return open_[static_cast<std::size_t>(stream)];
    }
    [[nodiscard]] bool is_current(std::uint64_t number) const;
    DiskResult<void> seal(Stream stream);
    void trim(Open& open);
    DiskResult<void> fill_ahead(Open& open) const;
    void insert(const Adopted& segment);
    void set_file_bytes(Use& use, std::uint64_t bytes);
    // May be able to go now: recycle() looks at it.
    void look_at(std::uint64_t number);
    // False: it has to be looked at again.
    bool let_go(std::uint64_t number);
    bool carry(std::uint64_t number, Use& use);
    bool retire(std::uint64_t number, Use& use);
    std::vector<std::uint64_t> settle_retired();
    void forget_home(std::uint64_t home);
    void forget_dones(std::uint64_t number, Use& use);

    const LogOptions& options_;
    Housekeeping& housekeeping_;
    bool is_held_back_ = false;
    bool is_room_short_ = false;
    bool has_sync_failed_ = false;

    std::array<Open, stream_count> open_;
    std::map<std::uint64_t, Use> uses_;
    std::map<std::uint64_t, std::set<std::uint64_t>> done_holders_;  // by the DONEs' home
    std::set<std::uint64_t> to_look_at_;
    bool is_recycling_due_ = false;
    std::vector<DoneMark> to_carry_;
    std::vector<std::uint64_t> carried_from_;
    std::uint64_t file_bytes_ = 0;  // of all, whether written or only made ready

    const std::shared_ptr<OpenFiles> open_files_;
    mutable mta::Mutex files_mutex_;
    std::map<std::uint64_t, std::shared_ptr<SegmentFile>> files_ GUARDED_BY(files_mutex_);

    std::atomic<std::uint64_t> count_ = 0;
    std::atomic<std::uint64_t> bytes_ = 0;
    std::atomic<std::uint64_t> live_bytes_ = 0;
};

}  // namespace queue::segment_log
