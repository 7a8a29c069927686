#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "queue/log/digest.h"
#include "queue/log/disk.h"
#include "queue/log/log_options.h"
#include "queue/log/segment_header.h"
#include "queue/store.h"

namespace queue::log {

// What must be known before new mail may be written: which segments there are, where the records of
// each end, and from where on numbers are free. It reads the last segment of each stream, and of
// the others only a few bytes; what is queued is OldMail's to find.
struct Survey {
    struct Segment {
        SegmentHeader header;
        SegmentOrigin origin;
        // Of its records; 0: nobody says (the one after it is lost), so it is read like a last one.
        std::uint64_t end = 0;
        std::uint64_t file_bytes = 0;
        // Of the last segments, which have been read as a whole.
        std::optional<Digest> digest;
    };
    std::vector<Segment> segments;  // by number
    struct Tail {
        std::uint64_t number = 0;  // 0: the stream has none
        std::uint64_t end = 0;
    };
    std::array<Tail, stream_count> tails;
    std::vector<std::string> free_paths;
    std::uint64_t number_max = 0;  // of any segment, quarantined or not
    std::uint64_t next_lsn = 1;
    std::uint64_t next_id = 1;
    Uuid spool{};
    bool has_spool = false;
    RecoveryReport report;
};

// Looks through a spool whose lock we hold. Afterwards the last segment of each stream is cut at
// the end of its records and synced; a new one must be started, since writing on behind a hole has
// lost data elsewhere. May be cut short and done again at any point.
//
// Damage is copied to quarantine/, reported, and stepped over. The only errors are a disk that does
// not answer and a newer format.
[[nodiscard]] StoreResult<Survey> survey_spool(Disk& disk, const LogOptions& options);

// All of a segment's records, as far as they count, and what is damaged in it, quarantined and
// added to `report`. `end`: as in Survey::Segment; 0 finds the end.
struct ReadSegment {
    Digest digest;
    bool has_damage = false;
    bool is_torn = false;
    std::uint64_t file_bytes = 0;
};
[[nodiscard]] StoreResult<ReadSegment> read_segment(Disk& disk, const SegmentHeader& header,
                                                    std::uint64_t end, RecoveryReport& report);

}  // namespace queue::log
