#pragma once
#include <cstddef>
#include <string_view>

namespace queue::segment_log {

// Whether the entries of a digest are such as DigestMaker writes: each whole, of a known kind, with
// offsets and numbers in their bounds. What reads them afterwards relies on it. A checksum tells
// damage, but not who wrote the file.
[[nodiscard]] bool are_entries_sound(std::string_view entries, std::size_t string_count);

}  // namespace queue::segment_log
