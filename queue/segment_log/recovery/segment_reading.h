#pragma once
#include <cstdint>
#include <vector>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/store.h"

namespace queue::segment_log {

// All of a segment's records, as far as they count, and what is damaged in it, quarantined and
// added to `report`. `end`: as in Survey::Segment; 0 finds the end. `later_lsn`: as for
// scan_segment(). A file that does not answer is damage: nothing can be read in it now.
struct ReadSegment {
    Digest digest;
    bool has_damage = false;
    bool is_torn = false;
    // Messages whose bodies are damaged in their ENQs; the envelopes are whole, and in the digest.
    std::vector<MessageId> damaged;
    std::uint64_t file_bytes = 0;
    std::uint64_t certain_end = 0;  // as in SegmentScan
};
[[nodiscard]] StoreResult<ReadSegment> read_segment(Disk& disk, const SegmentHeader& header,
                                                    std::uint64_t end, RecoveryReport& report,
                                                    std::uint64_t later_lsn = 0);
// The digest of a segment of which nothing can be read, and which must stay.
[[nodiscard]] Digest pinned_digest(const SegmentHeader& header);
// The start must not go on: this user may not read it, or there is a shortage that will pass.
[[nodiscard]] bool stops_the_start(const DiskError& error);

}  // namespace queue::segment_log
