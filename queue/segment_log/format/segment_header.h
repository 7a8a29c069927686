#pragma once
#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "queue/segment_log/format/record.h"

namespace queue::segment_log {

inline constexpr std::size_t segment_header_bytes = 4096;
inline constexpr std::uint16_t format_version = 3;
// From 1. A file with another number in its name is none of the log's.
inline constexpr std::uint64_t segment_number_max = 0xffffffff;

using Uuid = std::array<std::uint8_t, 16>;

// The first 4 KiB of a segment (queue/FORMAT.md). They are written and synced before the file gets
// its name, long before it is known what will be in it; that is in its BATCH records.
struct SegmentHeader {
    std::uint16_t version = format_version;
    Uuid spool{};              // the same in all segments of a spool
    std::uint64_t number = 0;  // the file's name; grows, never used twice
    Generation generation;
    bool operator==(const SegmentHeader&) const = default;
};

[[nodiscard]] std::string format_header(const SegmentHeader& header);
// Empty if the bytes are no header, a damaged one, or one with a number that no segment has. The
// version may be a newer one: then only `version` and `number` mean anything, whatever the number.
[[nodiscard]] std::optional<SegmentHeader> parse_header(std::string_view bytes);

// The words for a header that was mended.
inline constexpr const char* mended_header_words =
    "a damaged segment header, which was mended: the mail behind it is not touched by this, and "
    "the file stays as it is";

struct FoundHeader {
    SegmentHeader header;
    bool is_mended = false;  // what is on disk is damaged
};
// As parse_header(), for the file of that number. A damaged header is mended where its checksum
// leaves no doubt what it was: the name gives the number, the rest of the 4 KiB is known, and of
// what remains one bit, or one of the checksum's, may be wrong.
[[nodiscard]] std::optional<FoundHeader> find_header(std::string_view bytes, std::uint64_t number);

// "seg/00000000000000ff.log" and back.
[[nodiscard]] std::string segment_file_name(std::uint64_t number);  // without the folder
[[nodiscard]] std::string segment_path(std::uint64_t number);
[[nodiscard]] std::optional<std::uint64_t> parse_segment_file_name(std::string_view name);
// "seg/00000000000000ff.idx" and back.
[[nodiscard]] std::string index_path(std::uint64_t number);
[[nodiscard]] std::optional<std::uint64_t> parse_index_file_name(std::string_view name);
[[nodiscard]] std::string hex16(std::uint64_t number);

[[nodiscard]] std::string format_uuid(const Uuid& uuid);
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

}  // namespace queue::segment_log
