#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/segments/index.h"

namespace queue::segment_log {

// A large body that is being received: its pieces are in the log, and no ENQ lists them yet.
struct Upload {
    std::vector<ChunkRef> chunks;
    std::vector<SegmentBytes> bodies;
    std::uint64_t size = 0;
    std::uint32_t crc = 0;  // of the whole body so far
};
using Uploads = std::unordered_map<MessageId, Upload>;

}  // namespace queue::segment_log
