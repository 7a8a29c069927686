#include "mta/smtp/syntax/xtext.h"

#include <algorithm>
#include <cstdint>

#include "mta/base/domain.h"
#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

// Printable and not a space.
bool is_graphic(char c) { return c > ' ' && c <= '~'; }

bool is_xchar(char c) { return is_graphic(c) && c != '+' && c != '='; }

std::optional<std::uint32_t> hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0');
    if (c >= 'A' && c <= 'F') return static_cast<std::uint32_t>(c - 'A' + 10);
    return std::nullopt;
}

bool is_printable_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c == ' ' || is_graphic(c); });
}

// addr-type of RFC 3461 section 4.2 is an atom.
bool is_atom(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return is_graphic(c) &&
               std::string_view("()<>@,;:\\\".[]").find(c) == std::string_view::npos;
    });
}

void append_utf8(std::string& out, std::uint32_t point) {
    const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    const auto add_tail = [&](unsigned shift) { add(0x80 | (point >> shift & 0x3f)); };
    if (point < 0x80) {
        add(point);
    } else if (point < 0x800) {
        add(0xc0 | point >> 6);
        add_tail(0);
    } else if (point < 0x10000) {
        add(0xe0 | point >> 12);
        add_tail(6);
        add_tail(0);
    } else {
        add(0xf0 | point >> 18);
        add_tail(12);
        add_tail(6);
        add_tail(0);
    }
}

// EmbeddedUnicodeChar of RFC 6533 section 3: "\x{E9}".
std::string embedded_point(std::uint32_t point) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string hex;
    for (; point != 0 || hex.size() < 2; point >>= 4) hex.insert(0, 1, digits[point & 15]);
    return "\\x{" + hex + "}";
}

// HEXPOINT of RFC 6533 section 3, without the control characters that it allows: it has no leading
// zero, and is an ASCII character only if that could not stand for itself.
bool is_allowed_point(std::string_view digits, std::uint32_t point) {
    if (digits.starts_with('0')) return false;
    if (point < 0x80) return point == ' ' || point == '+' || point == '=' || point == '\\';
    return point <= 0x10ffff;  // surrogates and C1 controls are found in the decoded text
}

// Takes "\x{...}" off the front of `text`.
bool take_embedded(std::string_view& input, std::string& out) {
    constexpr std::string_view opening = "\\x{";
    const auto close = input.find('}');
    if (!input.starts_with(opening) || close == input.npos) return false;
    const auto digits = input.substr(opening.size(), close - opening.size());
    if (digits.size() < 2 || digits.size() > 6) return false;
    std::uint32_t point = 0;
    for (const char c : digits) {
        const auto digit = hex_digit(c);
        if (!digit) return false;
        point = point * 16 + *digit;
    }
    if (!is_allowed_point(digits, point)) return false;
    append_utf8(out, point);
    input.remove_prefix(close + 1);
    return true;
}

bool has_c1_control(std::string_view utf8) {
    for (std::size_t i = 0; i + 1 < utf8.size(); ++i) {
        if (utf8[i] == '\xc2' && static_cast<unsigned char>(utf8[i + 1]) < 0xa0) return true;
    }
    return false;
}

}  // namespace

std::string encode_xtext(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_xchar(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '+';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::optional<std::string> decode_xtext(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (is_xchar(text.front())) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        if (text.front() != '+' || text.size() < 3) return std::nullopt;
        const auto high = hex_digit(text[1]);
        const auto low = hex_digit(text[2]);
        if (!high || !low) return std::nullopt;
        out += static_cast<char>(*high * 16 + *low);
        text.remove_prefix(3);
    }
    return out;
}

std::optional<std::string> decode_utf8_address(std::string_view text, bool unitext_allowed) {
    std::string out;
    while (!text.empty()) {
        const char c = text.front();
        if (c == '\\') {
            if (!take_embedded(text, out)) return std::nullopt;
            continue;
        }
        const bool is_8bit = static_cast<unsigned char>(c) >= 0x80;
        if (is_8bit ? !unitext_allowed : !is_xchar(c)) return std::nullopt;
        out += c;
        text.remove_prefix(1);
    }
    if (!is_utf8(out) || has_c1_control(out)) return std::nullopt;
    return out;
}

std::string encode_utf8_address(std::string_view address) {
    std::string out;
    while (!address.empty()) {
        const auto size = std::max<std::size_t>(utf8_character_size(address), 1);
        const char first = address.front();
        if (is_graphic(first) && first != '+' && first != '=' && first != '\\') {
            out += first;
        } else {
            std::uint32_t point = static_cast<unsigned char>(first);
            if (size > 1) point &= 0xffu >> (size + 1);
            for (std::size_t i = 1; i < size; ++i)
                point = point << 6 | (static_cast<unsigned char>(address[i]) & 0x3fu);
            out += embedded_point(point);
        }
        address.remove_prefix(size);
    }
    return out;
}

bool is_valid_orcpt(std::string_view value, bool unitext_allowed) {
    const auto semicolon = value.find(';');
    if (semicolon == value.npos || !is_atom(value.substr(0, semicolon))) return false;
    const auto encoded = value.substr(semicolon + 1);
    const bool is_utf8_type = equals_ignoring_case(value.substr(0, semicolon), "utf-8");
    const auto address =
        is_utf8_type ? decode_utf8_address(encoded, unitext_allowed) : decode_xtext(encoded);
    if (!address || address->empty() || address->size() > limits::orcpt_bytes_max) return false;
    return is_utf8_type || is_printable_ascii(*address);
}

bool is_valid_envid(std::string_view value) {
    const auto envid = decode_xtext(value);
    return envid && !envid->empty() && envid->size() <= limits::envid_bytes_max &&
           is_printable_ascii(*envid);
}

}  // namespace mta::smtp
