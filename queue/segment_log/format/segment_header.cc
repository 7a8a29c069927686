#include "queue/segment_log/format/segment_header.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "queue/bytes.h"
#include "queue/segment_log/format/crc32c.h"

namespace queue::segment_log {
namespace {

constexpr std::string_view magic = "PHOUSE\r\n";
constexpr std::string_view suffix = ".log";
constexpr std::string_view index_suffix = ".idx";
constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::size_t at_version = 8;
constexpr std::size_t at_spool = 16;
constexpr std::size_t at_number = 32;
constexpr std::size_t at_generation = 40;
constexpr std::size_t fields_end = 48;
constexpr std::size_t at_crc = segment_header_bytes - 4;

std::optional<std::uint64_t> parse_hex(std::string_view text) {
    std::uint64_t value = 0;
    for (const char c : text) {
        const auto digit = hex_digits.find(c);
        if (digit == hex_digits.npos) return std::nullopt;
        value = value << 4 | digit;
    }
    return value;
}

std::optional<std::uint64_t> parse_name(std::string_view name, std::string_view suffix_wanted) {
    if (name.size() != 16 + suffix_wanted.size() || !name.ends_with(suffix_wanted)) {
        return std::nullopt;
    }
    return parse_hex(name.substr(0, 16));
}

SegmentHeader fields_of(std::string_view bytes) {
    ByteReader in(bytes.substr(magic.size()));
    SegmentHeader header;
    header.version = in.take<std::uint16_t>();
    in.take<std::uint16_t>();
    in.take<std::uint32_t>();
    for (auto& byte : header.spool) byte = in.take<std::uint8_t>();
    header.number = in.take<std::uint64_t>();
    header.generation.value = in.take<std::uint64_t>();
    return header;
}

std::uint32_t crc_of(const SegmentHeader& header) {
    return get_at<std::uint32_t>(format_header(header), at_crc);
}

std::optional<SegmentHeader> mend_header(std::string_view bytes, std::uint64_t number) {
    const bool is_numbered = number != 0 && number <= segment_number_max;
    if (bytes.size() < segment_header_bytes || !is_numbered) return std::nullopt;
    const auto wanted = get_at<std::uint32_t>(bytes, at_crc);
    std::string fields(bytes.substr(0, fields_end));
    const auto read = [&]() -> std::optional<SegmentHeader> {
        auto header = fields_of(fields);
        header.number = number;
        if (header.version == 0 || header.version > format_version) return std::nullopt;
        return header;
    };
    const auto as_it_is = read();
    if (as_it_is && crc_of(*as_it_is) == wanted) return as_it_is;
    for (const auto& [from, to] : {std::pair{at_version, at_version + 2},
                                   {at_spool, at_number},
                                   {at_generation, fields_end}}) {
        for (auto bit = from * 8; bit < to * 8; ++bit) {
            auto& byte = fields[bit / 8];
            const auto before = std::exchange(byte, static_cast<char>(byte ^ (1 << bit % 8)));
            const auto header = read();
            if (header && crc_of(*header) == wanted) return header;
            byte = before;
        }
    }
    if (as_it_is && std::popcount(crc_of(*as_it_is) ^ wanted) == 1) return as_it_is;
    return std::nullopt;
}

}  // namespace

std::string format_header(const SegmentHeader& header) {
    std::string out(magic);
    put(out, header.version);
    put(out, std::uint16_t{0});
    put(out, static_cast<std::uint32_t>(segment_header_bytes));
    for (const auto byte : header.spool) put(out, byte);
    put(out, header.number);
    put(out, header.generation.value);
    out.append(at_crc - out.size(), '\0');
    put(out, crc32c(out));
    return out;
}

std::optional<SegmentHeader> parse_header(std::string_view bytes) {
    if (bytes.size() < segment_header_bytes || !bytes.starts_with(magic)) return std::nullopt;
    if (crc32c(bytes.substr(0, at_crc)) != get_at<std::uint32_t>(bytes, at_crc)) {
        return std::nullopt;
    }
    const auto header = fields_of(bytes);
    // A newer posthouse may number its segments otherwise: the caller reports its version.
    const bool is_numbered = header.number != 0 && header.number <= segment_number_max;
    if (!is_numbered && header.version <= format_version) return std::nullopt;
    return header;
}

std::optional<FoundHeader> find_header(std::string_view bytes, std::uint64_t number) {
    if (const auto header = parse_header(bytes)) return FoundHeader{*header};
    if (const auto header = mend_header(bytes, number)) return FoundHeader{*header, true};
    return std::nullopt;
}

std::string hex16(std::uint64_t number) {
    std::string text(16, '0');
    for (auto digit = text.rbegin(); number != 0; ++digit, number >>= 4) {
        *digit = hex_digits[number & 15];
    }
    return text;
}

std::string segment_file_name(std::uint64_t number) { return hex16(number) + std::string(suffix); }
std::string segment_path(std::uint64_t number) { return "seg/" + segment_file_name(number); }

std::optional<std::uint64_t> parse_segment_file_name(std::string_view name) {
    return parse_name(name, suffix);
}

std::string index_path(std::uint64_t number) {
    return "seg/" + hex16(number) + std::string(index_suffix);
}

std::optional<std::uint64_t> parse_index_file_name(std::string_view name) {
    return parse_name(name, index_suffix);
}

std::string format_uuid(const Uuid& uuid) {
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += hex_digits[uuid[i] >> 4];
        text += hex_digits[uuid[i] & 15];
    }
    return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
    std::string digits(text);
    std::erase(digits, '-');
    if (digits.size() != 32) return std::nullopt;
    Uuid uuid{};
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        const auto byte = parse_hex(std::string_view(digits).substr(2 * i, 2));
        if (!byte) return std::nullopt;
        uuid[i] = static_cast<std::uint8_t>(*byte);
    }
    return uuid;
}

}  // namespace queue::segment_log
