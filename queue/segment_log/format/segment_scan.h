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

// The rule that tells a torn write from damage, over the bytes of one segment.
//
// A closed segment was synced before the next one of its stream was begun, which says where its
// records end: whatever does not check out before that is damage. In the last segment, what does
// not check out is damage if some BATCH behind it says that it was certain (its durable_lsn reaches
// there); otherwise it belongs to the writes that were under way when the power went, of which
// nobody was told: the records end there, and what may lie behind is none.
//
// Where the successor is lost, any later segment of the stream proves as much, but for where the
// records end: behind the last record that checks out, what has this segment's tag, or a header as
// its next record would have, is damage too.
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
    // As a BATCH says; nothing: there is none that checks out.
    std::optional<SegmentOrigin> origin;
    // Where the first record begins of which no BATCH says that it was certain; `end` if there is
    // none.
    std::uint64_t certain_end = segment_header_bytes;
};

using OnRecord = std::function<void(std::uint64_t offset, const Record& record)>;

// `bytes`: the whole segment, its header included; shorter than `end_known` if the file was cut.
// `end_known`: where the records of a closed segment end; 0: it is the last one, or nobody knows.
// `later_lsn`: only with an end that is not known: the first lsn of a later segment of its stream;
// 0: there is no later one.
// on_record gets what counts, in order; its payload points into `bytes`.
[[nodiscard]] SegmentScan scan_segment(std::string_view bytes, const SegmentHeader& header,
                                       std::uint64_t end_known, const OnRecord& on_record,
                                       std::uint64_t later_lsn = 0);

// For words only: how many messages begin and do not end in the records, as far as their frames
// lead, where the header is not there to check them by. `bytes` as above.
[[nodiscard]] std::size_t count_unfinished(std::string_view bytes);

}  // namespace queue::segment_log
