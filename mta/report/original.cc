#include "mta/report/original.h"

#include <algorithm>

#include "mta/base/domain.h"
#include "mta/report/dsn.h"
#include "mta/report/mime.h"

namespace mta::report {
namespace {

constexpr std::size_t field_bytes_max = 2000;
// Encoding triples a byte at worst.
constexpr std::size_t encoded_header_bytes_max = returned_bytes_max / 3;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Only a 7-bit message is returned whole: a message/rfc822 must not be encoded (RFC 2046 section
// 5.2.1). RET applies to failures only; other reports return the header (RFC 3461 section 4.3).
bool returns_all(const outbound::ReportRequest& request) {
    const auto& original = request.original;
    return request.kind == outbound::ReportKind::failure &&
           original.envelope.ret != queue::Ret::headers &&
           original.facts.size <= returned_bytes_max && original.facts.size > 0 &&
           request.head.size() >= original.facts.size &&
           is_ascii(request.head.substr(0, original.facts.size)) &&
           is_canonical_text(request.head.substr(0, original.facts.size));
}

}  // namespace

std::string_view header_of(const queue::Message& original, std::string_view head,
                           std::size_t bytes_max) {
    const auto header = head.substr(0, original.facts.header_bytes);
    if (header.size() == original.facts.header_bytes && header.size() <= bytes_max) return header;
    // Cut before a line that begins a field.
    auto end = std::min(header.size(), bytes_max);
    while (end > 0) {
        end = header.rfind("\r\n", end - 1);
        if (end == header.npos) return {};
        const auto next = end + 2;
        if (next < header.size() && next <= bytes_max && !is_blank(header[next])) {
            return header.substr(0, next);
        }
    }
    return {};
}

std::string field_of(std::string_view header, std::string_view name) {
    while (!header.empty()) {
        const auto end = header.find("\r\n");
        auto line = header.substr(0, end);
        header.remove_prefix(end == header.npos ? header.size() : end + 2);
        const auto colon = line.find(':');
        if (colon == line.npos) continue;
        auto found = line.substr(0, colon);
        while (!found.empty() && is_blank(found.back())) found.remove_suffix(1);
        if (!equals_ignoring_case(found, name)) continue;
        std::string value(line.substr(colon + 1, field_bytes_max));
        while (!header.empty() && is_blank(header.front()) && value.size() < field_bytes_max) {
            const auto line_end = std::min(header.find("\r\n"), header.size());
            value += header.substr(0, std::min(line_end, field_bytes_max));
            header.remove_prefix(std::min(line_end + 2, header.size()));
        }
        const auto first = value.find_first_not_of(" \t");
        if (first == value.npos) return {};
        return value.substr(first, value.find_last_not_of(" \t") - first + 1);
    }
    return {};
}

Part returned_part(const outbound::ReportRequest& request) {
    const auto& original = request.original;
    const bool is_global = original.envelope.smtputf8 && original.facts.header_has_8bit;
    const auto fields = [](std::string_view type, std::string_view encoding) {
        std::string out = "Content-Type: ";
        out += type;
        out += "\r\nContent-Transfer-Encoding: ";
        out += encoding;
        return out + "\r\n";
    };
    if (returns_all(request)) {
        const auto content = request.head.substr(0, original.facts.size);
        return {fields("message/rfc822", "7bit"), std::string(content)};
    }
    const std::string_view type = is_global ? "message/global-headers" : "text/rfc822-headers";
    const auto header = header_of(original, request.head, returned_bytes_max);
    if (is_canonical_text(header) && is_ascii(header)) {
        return {fields(type, "7bit"), std::string(header)};
    }
    // UTF-8, raw 8-bit text, stray CRs or endless lines: encoded, nothing is lost (RFC 6522 section
    // 4, RFC 6533 section 6.3).
    return {fields(type, "quoted-printable"),
            to_quoted_printable(header_of(original, request.head, encoded_header_bytes_max))};
}

}  // namespace mta::report
