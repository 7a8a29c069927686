#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/store.h"

namespace queue {

// Stored bytes that did not match their checksum. A *segment* is a large piece of storage that is
// reclaimed as a whole: a file of the segment log, a generation of tables in a database.
struct SpoolDamage {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string what;             // "unreadable record", "message 00001z lacks parts", ...
    std::string quarantine_path;  // where a copy of the bytes is kept; empty: none could be made
};

// What the administrator should know about the spool's contents. None of it stops a start.
struct SpoolFindings {
    std::vector<SpoolDamage> damages;
    std::vector<std::string> notes;
};

// What opening the spool has found so far.
struct SpoolOpening {
    std::uint64_t segments = 0;
    // The last write before a crash was incomplete. No 250 was sent for it.
    bool has_torn_tail = false;
};

// For `posthouse status` and metrics. Totals count since the start of the process.
struct SpoolFigures {
    std::uint64_t messages = 0;                 // queued
    std::optional<std::uint64_t> old_messages;  // queued at start; empty until they are counted

    std::uint64_t batches_total = 0;
    std::uint64_t syncs_total = 0;
    std::chrono::microseconds sync_time_total{0};
    std::chrono::microseconds sync_time_max{0};
    std::uint64_t damaged_reads_total = 0;

    std::uint64_t segments = 0;
    std::uint64_t written_bytes = 0;   // in all segments, whether still needed or not
    std::uint64_t live_bytes = 0;      // of queued messages
    std::uint64_t recycled_total = 0;  // segments that became empty and were reclaimed
    std::uint64_t copied_bytes_total =
        0;  // copied so that a nearly empty segment could be reclaimed

    // Of the disk; empty if it does not answer, or if the spool is not on a disk of this machine.
    std::optional<std::uint64_t> free_bytes;
    std::optional<std::uint64_t> total_bytes;
    std::vector<std::string> quarantine;  // the names of the copies of damaged bytes
};

// New mail is refused while less than the larger of the two is free. A spool that is not on a disk
// of this machine ignores them.
struct SpoolLimits {
    std::uint32_t free_percent_min = 10;
    std::uint64_t free_bytes_min = 256'000'000;
};

// Called on any thread, also while the spool is being opened.
struct SpoolEvents {
    // Once at most: a write or a sync failed. The spool accepts nothing any more, every request is
    // answered with `broken`, and the process should report it and end.
    std::function<void(const std::string& text)> on_failed;
    // Something that the administrator should know and that stops nothing.
    std::function<void(const std::string& text)> on_note;
};

// The spool of one process: a port. The segment log is one implementation; a database shared by
// several relays may be another. What is promised of single messages stands at Store.
//
// An implementation is opened by a function of its own, which takes SpoolEvents: it acquires the
// lock (or the lease), recovers what is there, and from then on accepts new mail. Housekeeping
// needs no call. Order of calls:
//
//     open -> make_store (once for each shard) -> Store::load (of one of them)
//          -> destroy all stores -> destroy the spool
//
// The destructor writes all that the stores were asked for and the hints, and gives the lock back;
// this takes less than a second as long as the disk answers. Any thread may call any function.
class Spool {
public:
    // Hands work to a shard's loop, from any thread. It must not run the work inside the call, and
    // it must work until that shard's store is destroyed.
    using Post = std::function<void(std::move_only_function<void()>)>;

    Spool() = default;
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;
    virtual ~Spool() = default;

    // Made and destroyed on the shard's thread.
    [[nodiscard]] virtual std::unique_ptr<Store> make_store(Post post) = 0;

    [[nodiscard]] virtual SpoolOpening opening() const = 0;
    // Each finding is returned once: after opening, when Store::load has handed over everything,
    // and whenever a read meets damage.
    [[nodiscard]] virtual SpoolFindings take_findings() = 0;
    [[nodiscard]] virtual SpoolFigures figures() const = 0;
    // Store::refusal() follows at once.
    virtual void set_limits(const SpoolLimits& limits) = 0;

    // Hints: bytes whose meaning only the caller knows, kept for the next process. Losing them is
    // harmless, so they are neither synced nor waited for.
    //
    // What was kept last; empty if there is nothing, or if it was damaged.
    [[nodiscard]] virtual std::string read_hints() = 0;
    // Replaces what was kept before, in one step. Of hints that wait to be written the last count.
    virtual void keep_hints(std::string bytes) = 0;
    // Why the last hints could not be written; empty if they could, or if that is not known yet.
    [[nodiscard]] virtual std::string hints_problem() const = 0;
};

}  // namespace queue
