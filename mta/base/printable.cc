#include "mta/base/printable.h"

#include <algorithm>
#include <array>

#include "mta/base/domain.h"

namespace mta {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

struct Range {
    std::string_view first;  // in UTF-8, which sorts as the characters do
    std::string_view last;
};
constexpr std::array<Range, 6> misleading = {{
    {"\xc2\x80", "\xc2\x9f"},          // U+0080..U+009F: C1 controls
    {"\xd8\x9c", "\xd8\x9c"},          // U+061C: Arabic letter mark
    {"\xe2\x80\x8e", "\xe2\x80\x8f"},  // U+200E..U+200F: marks of a direction
    {"\xe2\x80\xa8", "\xe2\x80\xae"},  // U+2028..U+202E: separators, embeddings, overrides
    {"\xe2\x81\xa6", "\xe2\x81\xa9"},  // U+2066..U+2069: isolates
    {"\xef\xbb\xbf", "\xef\xbb\xbf"},  // U+FEFF: byte order mark
}};

bool is_misleading(std::string_view character) {
    return std::ranges::any_of(misleading, [character](const Range& range) {
        return range.first <= character && character <= range.last;
    });
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto size = utf8_character_size(text);
        const auto character = text.substr(0, std::max<std::size_t>(size, 1));
        const auto byte = static_cast<unsigned char>(character[0]);
        text.remove_prefix(character.size());
        if (size == 0 || is_misleading(character)) {
            out += replacement;
        } else if (byte == '\n') {
            out += " / ";
        } else if (byte >= 0x20 && byte != 0x7f) {
            out += character;
        }
    }
    return out;
}

}  // namespace mta
