#include "dns/wire_reader.h"

namespace dns {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t name_bytes_max = 255;  // RFC 1035 section 2.3.4
// As many as a name of that length has labels. More pointers only cost time.
constexpr std::size_t pointers_max = 127;

void append_escaped(std::string& name, std::string_view label) {
    for (const char c : label) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (is_letter || (c >= '0' && c <= '9') || c == '-' || c == '_') {
            name += is_letter ? static_cast<char>(c | 0x20) : c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        name += '\\';
        name += static_cast<char>('0' + byte / 100);
        name += static_cast<char>('0' + byte / 10 % 10);
        name += static_cast<char>('0' + byte % 10);
    }
}

}  // namespace

std::optional<std::uint16_t> WireReader::take_u16() {
    if (bytes_.size() - at_ < 2) return std::nullopt;
    at_ += 2;
    return u16_at(at_ - 2);
}

std::optional<std::uint32_t> WireReader::take_u32() {
    const auto high = take_u16();
    const auto low = high ? take_u16() : std::nullopt;
    if (!low) return std::nullopt;
    return std::uint32_t{*high} << 16 | *low;
}

std::optional<std::string> WireReader::take_name() {
    std::string name;
    std::size_t wire_bytes = 1;  // the root's label
    std::size_t position = at_;
    std::size_t run_begin = at_;
    std::size_t pointers = 0;
    while (position < bytes_.size()) {
        const unsigned length = byte(position);
        if (length == 0) {
            if (pointers == 0) at_ = position + 1;
            return name.empty() ? "." : name;
        }
        if ((length & 0xc0) == 0xc0) {
            if (bytes_.size() - position < 2) return std::nullopt;
            const std::size_t target = (length & 0x3f) << 8 | byte(position + 1);
            // Only backwards, before everything that was read of this name: so the walk ends.
            if (target >= run_begin || pointers == pointers_max) return std::nullopt;
            if (pointers == 0) at_ = position + 2;
            ++pointers;
            position = run_begin = target;
            continue;
        }
        wire_bytes += length + 1;
        if (length > 63 || wire_bytes > name_bytes_max) return std::nullopt;
        if (bytes_.size() - position - 1 < length) return std::nullopt;
        if (!name.empty()) name += '.';
        append_escaped(name, bytes_.substr(position + 1, length));
        position += length + 1;
    }
    return std::nullopt;
}

bool WireReader::skip_name() {
    while (at_ < bytes_.size()) {
        const unsigned length = byte(at_);
        const bool is_pointer = (length & 0xc0) == 0xc0;
        const std::size_t size = is_pointer ? 2 : length + 1;
        // A label type that begins with the bits 01 or 10 has no known length.
        if ((!is_pointer && length > 63) || bytes_.size() - at_ < size) return false;
        at_ += size;
        if (is_pointer || length == 0) return true;
    }
    return false;
}

std::optional<WireHeader> WireReader::take_header() {
    if (bytes_.size() < header_bytes) return std::nullopt;
    WireHeader header;
    header.is_reply = (byte(2) & 0x80) != 0 && (byte(2) & 0x78) == 0;  // QR, opcode QUERY
    header.is_truncated = (byte(2) & 0x02) != 0;
    header.rcode = byte(3) & 0x0f;
    header.questions = u16_at(4);
    header.answers = u16_at(6);
    header.authorities = u16_at(8);
    header.additionals = u16_at(10);
    go_to(header_bytes);
    return header;
}

std::optional<WireRecord> WireReader::take_record() {
    WireRecord record;
    const auto begin = at_;
    record.owner = take_name();
    if (!record.owner) {
        go_to(begin);
        if (!skip_name()) return std::nullopt;
    }
    const auto type = take_u16();
    const auto klass = type ? take_u16() : std::nullopt;
    const auto ttl = klass ? take_u32() : std::nullopt;
    const auto size = ttl ? take_u16() : std::nullopt;
    if (!size || bytes_.size() - at_ < *size) return std::nullopt;
    record.type = *type;
    record.klass = *klass;
    record.ttl_s = *ttl > INT32_MAX ? 0 : *ttl;  // RFC 2181 section 8
    record.opt_extended_rcode = *ttl >> 24;
    record.data_at = at_;
    record.data_end = at_ + *size;
    go_to(record.data_end);
    return record;
}

}  // namespace dns
