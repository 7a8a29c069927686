#include "queue/segment_log/format/salvage.h"

#include <string>

#include "queue/bytes.h"
#include "queue/segment_log/format/crc32c.h"

namespace queue::segment_log {
namespace {

// The checksum of two strings one behind the other, from that of each: a CRC is linear, so what the
// first adds is what it would add in front of zeros.
std::uint32_t crc_of_both(std::uint32_t first, std::uint32_t second, std::size_t second_bytes) {
    const std::string zeros(second_bytes, '\0');
    return crc32c(zeros, first) ^ crc32c(zeros, 0) ^ second;
}

}  // namespace

std::optional<SalvagedEnqueue> salvage_enqueue(std::string_view bytes, Generation generation) {
    const auto frame = parse_frame(bytes, generation);
    if (!frame || frame->type != RecordType::enqueue) return std::nullopt;
    auto enqueue = parse_enqueue(frame->payload);
    if (!enqueue || enqueue->message.body.empty()) return std::nullopt;
    const auto body_bytes = enqueue->message.body.size();
    constexpr std::size_t crc_bytes = 4;
    const auto rest = bytes.substr(
        crc_bytes, record_header_bytes - crc_bytes + frame->payload.size() - body_bytes);
    const auto crc = crc_of_both(crc32c(rest, generation.seed()), enqueue->body_crc, body_bytes);
    if (crc != get_at<std::uint32_t>(bytes, 0)) return std::nullopt;
    enqueue->message.body.clear();
    return SalvagedEnqueue{*frame, std::move(*enqueue)};
}

}  // namespace queue::segment_log
