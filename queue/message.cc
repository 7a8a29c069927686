#include "queue/message.h"

#include <algorithm>

namespace queue {
namespace {
constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t id_digits_min = 6;
constexpr std::size_t id_digits_max = 13;
}  // namespace

std::string format_id(MessageId id) {
    std::string text;
    for (; id != 0 || text.size() < id_digits_min; id >>= 5) text += digits[id & 31];
    std::ranges::reverse(text);
    return text;
}

std::optional<MessageId> parse_id(std::string_view text) {
    if (text.size() < id_digits_min || text.size() > id_digits_max) return std::nullopt;
    MessageId id = 0;
    for (const char c : text) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        const auto digit = digits.find(lower);
        if (digit == digits.npos || id > UINT64_MAX >> 5) return std::nullopt;
        id = id << 5 | digit;
    }
    return id;
}

}  // namespace queue
