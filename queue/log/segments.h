#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "queue/log/disk.h"
#include "queue/log/log_options.h"
#include "queue/log/segment_header.h"
#include "queue/message.h"

namespace queue::log {

// A segment for reading. Any thread may read; the file is opened at the first read. As long as
// somebody holds one, its segment is not recycled.
class SegmentFile {
public:
    SegmentFile(Disk& disk, std::uint64_t number, Generation generation)
        : disk_(disk), number_(number), generation_(generation) {}
    SegmentFile(const SegmentFile&) = delete;
    SegmentFile& operator=(const SegmentFile&) = delete;
    ~SegmentFile() = default;

    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] Generation generation() const { return generation_; }
    DiskResult<std::string> read(std::uint64_t offset, std::size_t length);

private:
    Disk& disk_;
    const std::uint64_t number_;
    const Generation generation_;
    std::mutex mutex_;
    std::unique_ptr<DiskFile> file_;
};

// A DONE record and the segment of the message that it ends.
struct DoneMark {
    MessageId id = 0;
    std::uint64_t home = 0;
};

// The folder seg/: the one segment that is written, the older ones, and what in each is still
// needed. One thread changes it; find() and the counters are for all.
//
// A segment is needed while it holds a record of a queued message, or a DONE whose message's home
// segment still exists: without that DONE the next start would bring the finished message back. So
// a home goes first, for certain, and its DONEs later. Where only DONEs are left, they are written
// again (dones_to_carry), so that one message that waits for weeks does not hold the whole log. (To
// move such a message itself, and free its segment, is compaction's work, which is not here yet: it
// would go through add_live, drop_live and recycle just as new mail does.)
class Segments {
public:
    // `disk` and `options` must outlive it.
    Segments(Disk& disk, const LogOptions& options, const Uuid& spool);
    ~Segments();
    Segments(const Segments&) = delete;
    Segments& operator=(const Segments&) = delete;

    // ---- at start, what recovery found ----
    void adopt(std::uint64_t number, Generation generation, std::uint64_t end);
    void adopt_free(std::string path) { free_paths_.push_back(std::move(path)); }
    // No segment gets this number or a lower one.
    void reserve_number(std::uint64_t number);
    // The segment that the next one names as its predecessor, and where its records end.
    void set_previous(std::uint64_t number, std::uint64_t end);

    // ---- the segment that is written ----
    // Closes the current one (synced and cut at its end) and starts the next: its file has a synced
    // header and a synced name.
    DiskResult<void> start_next(std::uint64_t first_lsn, std::uint64_t id_ceiling);
    [[nodiscard]] std::uint64_t current() const { return number_; }
    [[nodiscard]] Generation generation() const { return generation_; }
    [[nodiscard]] std::uint64_t end() const { return end_; }
    [[nodiscard]] bool is_fresh() const { return end_ == segment_header_bytes; }
    // Behind what is there. Not certain before sync().
    DiskResult<void> append(std::string& bytes);
    // What was appended last need not be certain yet, but should be on its way.
    void start_writing();
    DiskResult<void> sync();
    [[nodiscard]] bool is_synced() const { return is_synced_; }

    // ---- what is needed ----
    [[nodiscard]] bool contains(std::uint64_t number) const { return uses_.contains(number); }
    void add_live(std::uint64_t number, std::uint64_t bytes);
    void drop_live(std::uint64_t number, std::uint64_t bytes);
    void add_done(std::uint64_t number, const DoneMark& done) {
        uses_[number].dones.push_back(done);
    }
    // DONEs that must be written again before their segments can go; nothing new until
    // carried() has said that they are certain.
    [[nodiscard]] const std::vector<DoneMark>& dones_to_carry() const { return to_carry_; }
    void carried();
    // Empties what is not needed any more, and returns how many segments that were. A failure keeps
    // the segment, and its mark, until the next start; it endangers nothing.
    std::size_t recycle();

    // ---- for all threads ----
    // Nothing: no such segment (any more).
    [[nodiscard]] std::shared_ptr<SegmentFile> find(std::uint64_t number) const;
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }

private:
    struct Use {
        std::uint64_t end = 0;
        std::uint64_t live_bytes = 0;
        std::vector<DoneMark> dones;
        bool is_stuck = false;    // could not be recycled
        bool is_carried = false;  // its DONEs are in to_carry_
    };
    struct Fresh {
        std::unique_ptr<DiskFile> file;
        std::string path;
        std::uint64_t bytes = 0;  // written once, so that writing again changes no metadata
    };

    DiskResult<void> seal();
    DiskResult<Fresh> take_file(std::uint64_t number);
    void insert(std::uint64_t number, Generation generation, std::uint64_t end);
    void examine(std::uint64_t number, Use& use);
    bool retire(std::uint64_t number, const Use& use);
    DiskResult<void> move_away(std::uint64_t number, const Use& use);

    Disk& disk_;
    const LogOptions& options_;
    const Uuid spool_;
    std::mt19937_64 rng_;
    std::vector<std::string> free_paths_;

    std::unique_ptr<DiskFile> file_;  // of the current one
    std::uint64_t number_ = 0;
    Generation generation_;
    std::uint64_t end_ = 0;
    std::uint64_t filled_ = 0;   // the file has bytes up to here
    std::uint64_t started_ = 0;  // the disk has been asked to write up to here
    bool is_synced_ = true;
    std::uint64_t previous_ = 0;
    std::uint64_t previous_end_ = 0;

    std::map<std::uint64_t, Use> uses_;
    std::set<std::uint64_t> dead_;  // without a queued message's records
    bool is_recycling_due_ = false;
    std::vector<DoneMark> to_carry_;

    mutable std::mutex files_mutex_;
    std::map<std::uint64_t, std::shared_ptr<SegmentFile>> files_;

    std::atomic<std::uint64_t> count_ = 0;
    std::atomic<std::uint64_t> bytes_ = 0;
    std::atomic<std::uint64_t> live_bytes_ = 0;
};

}  // namespace queue::log
