#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/recovery/segment_reading.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/store.h"

namespace queue::segment_log {

// What must be known before new mail may be written: which segments there are, where the records of
// each end, and from where on numbers are free. It reads the last segment of each stream, and of
// the others only a few bytes; what is queued is OldMail's to find.
struct Survey {
    struct Segment {
        SegmentHeader header;
        SegmentOrigin origin;
        // Of its records; 0: it is unknown (the one after it is lost), so it is read like a last
        // one.
        std::uint64_t end = 0;
        std::uint64_t file_bytes = 0;
        // Of the last segments, which have been read as a whole.
        std::optional<Digest> digest;
        std::vector<MessageId> damaged;  // as in ReadSegment
        // Its file cannot be opened, and no digest describes it: it stays as it is, and the next
        // start tries again.
        bool is_unreadable = false;
    };
    std::vector<Segment> segments;  // by number
    // The segment of a stream that was started last, which need not have the highest number.
    struct Tail {
        std::uint64_t number = 0;  // 0 if the stream has none
        std::uint64_t end = 0;
        std::uint64_t first_lsn = 0;
    };
    std::array<Tail, stream_count> tails;
    std::vector<std::string> free_paths;
    std::uint64_t number_max = 0;  // no new segment gets this number or a lower one
    std::uint64_t next_lsn = 1;
    std::uint64_t next_id = 1;
    std::optional<Uuid> spool;  // empty if there is neither a VERSION nor a segment
    std::size_t own_segments = 0;
    RecoveryReport report;
};

// Surveys a spool whose lock the caller holds. Afterwards the last segment of each stream is cut at
// the end of its records, and what is read in it is certain. A new segment must be started, since
// writing on behind a hole has lost data in other programs. The survey may be cut short and done
// again at any point.
//
// Damage is copied to quarantine/, reported, and stepped over. The only errors are a disk that does
// not answer, a segment that this user may not open, too few descriptors or memory, and a newer
// format. `version`: what VERSION says.
[[nodiscard]] StoreResult<Survey> survey_spool(Disk& disk, const LogOptions& options,
                                               const std::optional<SpoolVersion>& version);

}  // namespace queue::segment_log
