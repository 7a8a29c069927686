#pragma once
#include <optional>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/format/digest.h"
#include "queue/segment_log/format/segment_header.h"

namespace queue::segment_log {

// Writes the digest beside its segment, in place of an older one. The file is not synced, and a
// failure does no harm: the next start then reads the segment itself.
void put_digest(Disk& disk, const Digest& digest);
// Empty unless there is a whole digest that belongs to exactly this segment.
[[nodiscard]] std::optional<Digest> read_digest(Disk& disk, const SegmentHeader& segment);
[[nodiscard]] std::optional<DigestHead> read_digest_head(Disk& disk, const SegmentHeader& segment);

}  // namespace queue::segment_log
