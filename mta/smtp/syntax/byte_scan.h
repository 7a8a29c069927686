#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mta::smtp {

// Whether some byte is >= 0x80. Tests eight bytes a step, because it runs over every body.
[[nodiscard]] inline bool has_8bit(std::string_view text) {
    std::uint64_t seen = 0;
    while (text.size() >= sizeof seen) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), sizeof word);
        seen |= word;
        text.remove_prefix(sizeof word);
    }
    for (const char c : text) seen |= static_cast<unsigned char>(c);
    return (seen & 0x8080808080808080U) != 0;
}

// Like memchr(): a pointer into `text`, or null if the byte does not occur.
[[nodiscard]] inline const char* find_byte(std::string_view text, char byte) {
    return text.empty() ? nullptr
                        : static_cast<const char*>(std::memchr(text.data(), byte, text.size()));
}

}  // namespace mta::smtp
