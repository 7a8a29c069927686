#include "queue/segment_log/format/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace queue::segment_log {

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
    // ISA-L counts in int, leaves the inversions to the caller, and takes a pointer to data that it
    // does not change.
    constexpr std::size_t step_bytes = 1u << 30;
    crc = ~crc;
    while (!bytes.empty()) {
        const auto step = bytes.substr(0, step_bytes);
        auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(step.data()));
        crc = crc32_iscsi(data, static_cast<int>(step.size()), crc);
        bytes.remove_prefix(step.size());
    }
    return ~crc;
}

}  // namespace queue::segment_log
