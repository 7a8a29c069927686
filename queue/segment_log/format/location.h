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

// A number of bytes in a segment.
struct SegmentBytes {
    std::uint64_t segment = 0;
    std::uint64_t bytes = 0;
};
[[nodiscard]] inline SegmentBytes bytes_of(const Location& where) {
    return {.segment = where.segment, .bytes = where.bytes};
}

}  // namespace queue::segment_log
