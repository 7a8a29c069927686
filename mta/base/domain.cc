#include "mta/base/domain.h"

#include <idn2.h>

#include <algorithm>
#include <cstdint>

namespace mta {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_label_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, is_label_char);
}

}  // namespace

std::string to_lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
    return !std::ranges::search(text, part, {}, lower).empty() || part.empty();
}

bool is_valid_domain(std::string_view domain) {
    if (domain.empty() || domain.size() > 253) return false;
    while (true) {
        const auto dot = domain.find('.');
        if (!is_label(domain.substr(0, dot))) return false;
        if (dot == domain.npos) return true;
        domain.remove_prefix(dot + 1);
    }
}

std::optional<std::string> to_a_labels(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (domain.find('\0') != domain.npos) return std::nullopt;
    std::string ascii;
    if (is_ascii(domain)) {
        ascii = to_lower(domain);
    } else {
        if (!is_utf8(domain) || domain.size() > 1000) return std::nullopt;
        const std::string terminated(domain);
        char* converted = nullptr;
        const int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
        if (idn2_to_ascii_8z(terminated.c_str(), &converted, flags) != IDN2_OK) return std::nullopt;
        ascii = to_lower(converted);
        idn2_free(converted);
    }
    if (!is_valid_domain(ascii)) return std::nullopt;
    return ascii;
}

bool is_under(std::string_view domain, std::string_view suffix) {
    return domain.size() > suffix.size() + 1 && domain.ends_with(suffix) &&
           domain[domain.size() - suffix.size() - 1] == '.';
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t utf8_character_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    const unsigned char second = byte(1);
    const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
    return bad ? 0 : length;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_character_size(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace mta
