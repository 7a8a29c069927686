#include "queue/segment_log/format/record.h"

#include "queue/bytes.h"
#include "queue/segment_log/format/crc32c.h"

namespace queue::segment_log {
namespace {
constexpr std::size_t at_crc = 0;
constexpr std::size_t at_length = 4;
constexpr std::size_t at_type = 8;
constexpr std::size_t at_flags = 9;
constexpr std::size_t at_version = 10;
constexpr std::size_t at_tag = 12;
constexpr std::size_t at_lsn = 16;
}  // namespace

std::size_t Record::bytes() const { return aligned(record_header_bytes + payload.size()); }

std::size_t begin_record(std::string& out) {
    MTA_ASSERT(out.size() % record_alignment == 0);
    const auto begin = out.size();
    out.append(record_header_bytes, '\0');
    return begin;
}

void end_record(std::string& out, std::size_t begin, Generation generation, RecordType type,
                std::uint64_t lsn) {
    const auto length = out.size() - begin - record_header_bytes;
    MTA_ASSERT(length <= payload_bytes_max);
    put_at(out, begin + at_length, static_cast<std::uint32_t>(length));
    put_at(out, begin + at_type, static_cast<std::uint8_t>(type));
    put_at(out, begin + at_version, record_version(type));
    put_at(out, begin + at_tag, generation.tag());
    put_at(out, begin + at_lsn, lsn);
    const auto covered = std::string_view(out).substr(begin + at_length);
    put_at(out, begin + at_crc, crc32c(covered, generation.seed()));
    out.append(aligned(out.size()) - out.size(), '\0');
}

std::optional<Record> parse_frame(std::string_view bytes, Generation generation) {
    if (bytes.size() < record_header_bytes) return std::nullopt;
    // The tag comes first: it distinguishes leftovers and mail from records without reading what
    // may be megabytes.
    if (get_at<std::uint32_t>(bytes, at_tag) != generation.tag()) return std::nullopt;
    const auto length = get_at<std::uint32_t>(bytes, at_length);
    if (length > payload_bytes_max) return std::nullopt;
    if (aligned(record_header_bytes + length) > bytes.size()) return std::nullopt;
    Record record;
    record.type = static_cast<RecordType>(get_at<std::uint8_t>(bytes, at_type));
    record.flags = get_at<std::uint8_t>(bytes, at_flags);
    record.version = get_at<std::uint16_t>(bytes, at_version);
    record.lsn = get_at<std::uint64_t>(bytes, at_lsn);
    if (record.lsn == 0 || record.lsn > lsn_max) return std::nullopt;
    record.payload = bytes.substr(record_header_bytes, length);
    return record;
}

std::optional<Record> parse_record(std::string_view bytes, Generation generation) {
    const auto record = parse_frame(bytes, generation);
    if (!record) return std::nullopt;
    const auto covered =
        bytes.substr(at_length, record_header_bytes - at_length + record->payload.size());
    if (crc32c(covered, generation.seed()) != get_at<std::uint32_t>(bytes, at_crc)) {
        return std::nullopt;
    }
    return record;
}

}  // namespace queue::segment_log
