#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace queue::segment_log {

// The frame of everything in a segment behind its header (queue/FORMAT.md):
//
//   u32 crc32c | u32 length | u8 type | u8 flags | u16 version | u32 tag | u64 lsn | payload
//
// starting at a multiple of 8, filled up to the next one with zeros. The checksum covers everything
// behind itself up to the payload's end, and is seeded with the lower half of the segment's
// generation; `tag` is the upper half. So a record left over from the file's earlier life, or one
// inside a message, is no record here.
inline constexpr std::size_t record_header_bytes = 24;
inline constexpr std::size_t record_alignment = 8;
// Larger than any ENQ: 50,000 recipients (the most that the configuration takes), each with the
// longest address, domain and ORCPT that fit a command line, make 200 MB.
inline constexpr std::uint32_t payload_bytes_max = 256u << 20;
// From 1. A frame with a higher one is no record, so that numbers never wrap.
inline constexpr std::uint64_t lsn_max = (std::uint64_t{1} << 62) - 1;

enum class RecordType : std::uint8_t { enqueue = 1, body = 2, state = 3, done = 4, batch = 5 };

// The version that is written. Older ones are read.
[[nodiscard]] constexpr std::uint16_t record_version(RecordType type) {
    return type == RecordType::state || type == RecordType::enqueue ? 2 : 1;
}

// A segment's random number. Never zero in its upper half, so that zeros are no record.
struct Generation {
    std::uint64_t value = 0;

    [[nodiscard]] std::uint32_t seed() const { return static_cast<std::uint32_t>(value); }
    [[nodiscard]] std::uint32_t tag() const { return static_cast<std::uint32_t>(value >> 32); }
    bool operator==(const Generation&) const = default;
};

struct Record {
    RecordType type = RecordType::batch;
    std::uint8_t flags = 0;  // none is defined: written as zero, ignored in reading
    std::uint16_t version = 1;
    std::uint64_t lsn = 0;
    std::string_view payload;  // into the bytes that were given

    [[nodiscard]] std::size_t bytes() const;  // with header and filling
    [[nodiscard]] bool is_too_new() const { return version > record_version(type); }
};

[[nodiscard]] constexpr std::uint64_t aligned(std::uint64_t bytes) {
    return (bytes + record_alignment - 1) / record_alignment * record_alignment;
}

// Appends room for a header to `out` (whose size must be aligned); append the payload, then call
// end_record with what begin_record returned.
[[nodiscard]] std::size_t begin_record(std::string& out);
void end_record(std::string& out, std::size_t begin, Generation generation, RecordType type,
                std::uint64_t lsn);

// The record whose header starts `bytes`, without a look at the checksum. Empty if the header does
// not have the segment's tag, or if the record does not fit into `bytes`.
[[nodiscard]] std::optional<Record> parse_frame(std::string_view bytes, Generation generation);
// The record that starts `bytes`; empty if there is none that is complete and undamaged.
[[nodiscard]] std::optional<Record> parse_record(std::string_view bytes, Generation generation);

}  // namespace queue::segment_log
