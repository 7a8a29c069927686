#pragma once
#include <cstdint>
#include <string_view>

namespace queue::segment_log {

// CRC-32C (Castagnoli; RFC 3720 appendix B.4), in hardware where there is any: crc32c("123456789")
// is e3069283. `crc` continues an earlier one, or is a seed: crc32c(b, crc32c(a)) == crc32c(a + b).
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace queue::segment_log
