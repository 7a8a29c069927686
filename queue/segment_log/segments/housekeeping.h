#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/segments/log_options.h"

namespace queue::segment_log {

// Does work that no commit should wait for: makes segments ready, moves away those that are no
// longer needed, and writes the digests of closed ones. The writer asks and goes on; another thread
// (or, in tests, the same one) calls step().
//
// A segment that is ready has its header and its name in seg/, all synced, and room for all of
// segment_bytes, so that the first write to it is as cheap as any other: one flush. Until that
// write it has no record, and the next start recognizes it by that.
class Housekeeping {
public:
    // `disk` and `options` must outlive it.
    Housekeeping(Disk& disk, const LogOptions& options, const Uuid& spool);
    Housekeeping(const Housekeeping&) = delete;
    Housekeeping& operator=(const Housekeeping&) = delete;
    ~Housekeeping() = default;

    struct Ready {
        std::uint64_t number = 0;
        Generation generation;
        std::unique_ptr<DiskFile> file;
        // Of the file. They were written once, so that writing them again changes no metadata.
        std::uint64_t bytes = 0;
    };

    // ---- at start ----
    void adopt_free(std::string path);
    // No segment gets this number or a lower one.
    void reserve_number(std::uint64_t number);

    // ---- the writer ----
    // Returns a segment that is ready, or makes one now if there is none.
    DiskResult<Ready> take();
    // To be called when a segment will be needed soon.
    void want_ready();
    // While room is short, no segment is made ready, and those kept for use again are removed.
    void save_room(bool is_room_short) { is_room_short_ = is_room_short; }
    // Asks to move a closed segment away, because it is no longer needed.
    void retire(std::uint64_t number, std::uint64_t end);
    struct Retired {
        std::uint64_t number = 0;
        bool is_gone = false;  // for certain; otherwise it stays until the next start
    };
    [[nodiscard]] std::vector<Retired> take_retired();
    // Whether a folder could not be synced: then it is not known what is on the medium, and nothing
    // more may be written.
    [[nodiscard]] bool has_failed() const { return has_failed_; }
    [[nodiscard]] std::optional<DiskError> failure() const;
    // To be called when a segment was closed: its digest saves the next start reading it.
    void add_closed(std::uint64_t number, std::uint64_t end);

    // ---- the helper ----
    [[nodiscard]] bool has_work() const;
    // Does one thing. Returns false if there is nothing to do, or if it cannot be done now because
    // file descriptors or memory are missing.
    bool step();
    // From any thread, when the process is about to end: work that takes long is given up and
    // undone.
    void hurry() { is_in_a_hurry_ = true; }
    // At the end: writes the digests that are still due, as long as `has_time` returns true. The
    // next start reads the other segments themselves.
    void finish(const std::function<bool()>& has_time);

private:
    struct Closed {
        std::uint64_t number = 0;
        std::uint64_t end = 0;
    };

    DiskResult<Ready> make(bool is_filled);
    DiskResult<Ready> make_in(const std::string& path, std::unique_ptr<DiskFile> file,
                              std::uint64_t bytes, std::uint64_t number);
    DiskResult<void> fill(DiskFile& file, std::uint64_t from) const;
    [[nodiscard]] std::optional<std::string> take_free_path();
    DiskResult<void> move_away(const Closed& segment);
    DiskResult<void> sync_folder(const char* folder);
    void write_digest(const Closed& segment);
    [[nodiscard]] bool wants_one() const REQUIRES(mutex_);
    [[nodiscard]] bool has_one_too_many() const REQUIRES(mutex_);  // in free/

    Disk& disk_;
    const LogOptions& options_;
    const Uuid spool_;
    std::atomic<bool> is_in_a_hurry_ = false;
    std::atomic<bool> is_room_short_ = false;

    std::atomic<bool> has_failed_ = false;

    mutable mta::Mutex mutex_;
    std::mt19937_64 rng_ GUARDED_BY(mutex_);
    std::uint64_t number_ GUARDED_BY(mutex_) = 0;  // the last one given
    std::vector<std::string> free_paths_ GUARDED_BY(mutex_);
    std::deque<Ready> ready_ GUARDED_BY(mutex_);
    bool is_wanted_ GUARDED_BY(mutex_) = false;
    std::deque<Closed> to_retire_ GUARDED_BY(mutex_);
    std::vector<Retired> retired_ GUARDED_BY(mutex_);
    std::optional<DiskError> failure_ GUARDED_BY(mutex_);
    std::deque<Closed> to_digest_ GUARDED_BY(mutex_);
};

// Writes a segment's digest from its records. Has no effect if that is not possible.
void write_digest_of(Disk& disk, std::uint64_t number, std::uint64_t end);

}  // namespace queue::segment_log
