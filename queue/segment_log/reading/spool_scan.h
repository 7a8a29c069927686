#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"
#include "queue/segment_log/reading/spool_listing.h"

namespace queue::segment_log {

// A record about a message, in the order of writing.
struct SpoolEvent {
    std::uint64_t lsn = 0;
    RecordType type = RecordType::enqueue;
    std::string path;
    std::uint64_t offset = 0;
    StateChanges states;  // of a STATE
};

// What SpoolView reads out of one segment.
struct SpoolScan {
    // A record about a message.
    struct Found {
        MessageId id = 0;
        std::uint64_t offset = 0;
        std::uint64_t lsn = 0;
        RecordType type = RecordType::enqueue;
        bool is_whole = false;  // a STATE of all recipients
    };
    std::uint64_t records = 0;  // of all types
    std::vector<Found> found;
    std::vector<SpoolEvent> history;  // of the message that was asked for
    std::vector<SpoolProblem> problems;
    std::vector<std::string> notes;
};

struct SpoolScanRequest {
    SegmentHeader header;
    std::uint64_t end = 0;        // SpoolListing::end_of()
    std::uint64_t later_lsn = 0;  // SpoolListing::later_lsn()
    MessageId history_of = 0;     // 0: of no message
};
// `bytes`: the whole file.
[[nodiscard]] SpoolScan scan_for_view(std::string_view bytes, const SpoolScanRequest& request);

}  // namespace queue::segment_log
