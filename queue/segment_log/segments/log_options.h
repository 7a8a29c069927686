#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "queue/spool.h"

namespace queue::segment_log {

struct LogOptions {
    // A segment is closed before the batch that would make it larger; a single larger batch gets
    // one of its own size. At most 2 GiB.
    std::uint64_t segment_bytes = 64u << 20;
    // The most that one write and one sync take. A larger record goes alone.
    std::uint64_t batch_bytes_max = 8u << 20;
    std::uint32_t batch_records_max = 1024;
    // A new segment is filled with zeros this far ahead of its end, so that most syncs need not
    // also write the file's size and extents. With zero it is not.
    std::uint64_t zero_ahead_bytes = 1u << 20;
    // Empty segments kept for use again; more are unlinked.
    std::uint32_t free_segments_max = 4;
    // Compaction keeps all segments within twice the live bytes and so many segments; and it leaves
    // the youngest alone, which are likely to become empty by themselves.
    std::uint32_t slack_segments = 8;
    std::uint32_t young_segments = 4;
    // Below the larger of the two refusal() answers no_space.
    std::uint32_t free_percent_min = 10;
    std::uint64_t free_bytes_min = 256'000'000;
    // Inodes: a spool needs few, but each new segment needs one.
    std::uint64_t free_files_min = 100;
    // The segments' generations are made from it. Senders of mail must not know them, so it comes
    // from system_random() (queue/segment_log/disk/posix_disk.h).
    std::uint64_t random_seed = 0;
};

// What was found at start. None of it stops a start.
struct RecoveryReport {
    // Bytes that were certain once and do not match their checksum now: the medium failed, or
    // something else wrote to the file. They are kept in quarantine/.
    using Damage = SpoolDamage;
    std::vector<Damage> damages;

    std::uint64_t segments = 0;
    std::uint64_t records = 0;
    std::uint64_t messages = 0;  // queued
    // The last write before the crash was incomplete. No 250 was sent for it. This is usual after a
    // crash, and no reason to worry.
    bool has_torn_tail = false;
    std::uint64_t torn_tail_segment = 0;
    std::uint64_t torn_tail_offset = 0;
    std::uint64_t unfinished_bodies = 0;  // chunks of messages that never arrived whole; dropped
    std::vector<std::string> notes;       // other things that the administrator may want to know
    std::vector<Damage> damages_met;      // since the start, in reading; only grows
};

}  // namespace queue::segment_log
