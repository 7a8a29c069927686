#pragma once
#include <cstdint>

namespace queue::segment_log {

// Where a record is. `bytes` counts the whole record, header and filling included; 0: nowhere.
struct Location {
    std::uint64_t segment = 0;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    bool operator==(const Location&) const = default;
};

// How much a message's body takes of a segment.
struct SegmentBytes {
    std::uint64_t segment = 0;
    std::uint64_t bytes = 0;
};

}  // namespace queue::segment_log
