#pragma once
#include <cstddef>
#include <string_view>

namespace queue::segment_log {

// Whether the entries of a digest are such as DigestMaker writes: each whole, of a known kind, with
// offsets and numbers within bounds. Readers rely on it. A checksum detects damage, but does not
// prove that this program wrote the file.
[[nodiscard]] bool are_entries_sound(std::string_view entries, std::size_t string_count);

}  // namespace queue::segment_log
