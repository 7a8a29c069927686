#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"

namespace queue::segment_log {

// The rule that distinguishes a torn write from damage, over the bytes of one segment.
//
// A closed segment was synced before the next one of its stream was begun, which says where its
// records end: anything before that whose checksum does not match is damage. In the last segment,
// bytes that do not match are damage if a later BATCH says that they were certain (its durable_lsn
// reaches there). Otherwise they belong to the writes that were under way when the power failed,
// and no 250 was sent for them: the records end there, and what may lie behind does not count.
//
// Where the successor is lost, any later segment of the stream proves as much, except for where the
// records end: behind the last valid record, bytes with this segment's tag, or a header as its next
// record would have, are damage too.
struct SegmentScan {
    struct Hole {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    std::uint64_t end = segment_header_bytes;  // of the records
    std::vector<Hole> damages;                 // before `end`
    bool is_torn = false;                      // something was begun at `end`
    std::uint64_t lsn_max = 0;                 // seen anywhere in it; 0: no record
    std::uint64_t records = 0;
    // From a BATCH; empty if no BATCH is valid.
    std::optional<SegmentOrigin> origin;
    // Where the first record begins that no BATCH declares certain; `end` if there is none.
    std::uint64_t certain_end = segment_header_bytes;
};

using OnRecord = std::function<void(std::uint64_t offset, const Record& record)>;

//   bytes      the whole segment with its header; shorter than `end_known` if the file was cut
//   end_known  where the records of a closed segment end; 0 for the last one, or if it is unknown
//   later_lsn  only where the end is unknown: the first lsn of a later segment of its stream; 0 if
//              there is none
//   on_record  gets the records that count, in order; the payload points into `bytes`
[[nodiscard]] SegmentScan scan_segment(std::string_view bytes, const SegmentHeader& header,
                                       std::uint64_t end_known, const OnRecord& on_record,
                                       std::uint64_t later_lsn = 0);

// For reports only: how many messages begin and do not end in the records, as far as their frames
// lead, where there is no header to check them by. `bytes` as above.
[[nodiscard]] std::size_t count_unfinished(std::string_view bytes);

}  // namespace queue::segment_log
