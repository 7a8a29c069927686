#include "mta/diagnosis/retry_hint.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "mta/base/domain.h"

namespace mta::diagnosis {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t seconds;
};
constexpr std::array<Unit, 12> units = {{{"s", 1},
                                         {"sec", 1},
                                         {"secs", 1},
                                         {"second", 1},
                                         {"seconds", 1},
                                         {"m", 60},
                                         {"min", 60},
                                         {"mins", 60},
                                         {"minute", 60},
                                         {"minutes", 60},
                                         {"hour", 3600},
                                         {"hours", 3600}}};
constexpr std::int64_t hint_seconds_max = 86'400;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

template <class Predicate>
std::string_view take_while(std::string_view& text, Predicate predicate) {
    const auto end = std::ranges::find_if_not(text, predicate);
    const auto taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(taken.size());
    return taken;
}

// Up to six digits: more are no wait but an id.
std::optional<std::int64_t> to_number(std::string_view digits) {
    if (digits.empty() || digits.size() > 6) return std::nullopt;
    std::int64_t value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    return value;
}

// ":04:57" behind the hours, or " seconds" behind the number.
std::optional<std::int64_t> seconds_behind(std::int64_t number, std::string_view rest) {
    if (rest.starts_with(':')) {
        rest.remove_prefix(1);
        const auto minutes = to_number(take_while(rest, is_digit));
        if (!minutes || !rest.starts_with(':')) return std::nullopt;
        rest.remove_prefix(1);
        const auto seconds = to_number(take_while(rest, is_digit));
        if (!seconds || rest.starts_with(':') || *minutes > 59 || *seconds > 59) {
            return std::nullopt;
        }
        return number * 3600 + *minutes * 60 + *seconds;
    }
    take_while(rest, [](char c) { return c == ' ' || c == '-'; });
    const auto word = take_while(rest, is_letter);
    const auto unit = std::ranges::find(units, word, &Unit::name);
    if (unit == units.end()) return std::nullopt;
    return number * unit->seconds;
}

// Text about waiting at all; a duration alone may be about anything ("kept for 5 minutes").
bool asks_to_wait(std::string_view text) {
    static constexpr std::string_view words[] = {"again", "retry", "try ",  "wait",  "come back",
                                                 "later", "greyl", "grayl", "resend"};
    return std::ranges::any_of(words, [&](std::string_view word) { return text.contains(word); });
}

}  // namespace

std::optional<Millis> parse_retry_hint(std::string_view text) {
    const std::string lower = to_lower(text);
    if (!asks_to_wait(lower)) return std::nullopt;
    std::string_view rest = lower;
    char before = ' ';
    while (!rest.empty()) {
        if (!is_digit(rest.front())) {
            before = rest.front();
            rest.remove_prefix(1);
            continue;
        }
        const auto number = to_number(take_while(rest, is_digit));
        // A part of a word, of an address or of a fraction is no number.
        const bool stands_alone = before == ' ' || before == '(' || before == '=' || before == '\n';
        before = '0';
        if (!number || !stands_alone) continue;
        const auto seconds = seconds_behind(*number, rest);
        if (seconds && *seconds >= 1 && *seconds <= hint_seconds_max) {
            return std::chrono::seconds{*seconds};
        }
    }
    return std::nullopt;
}

}  // namespace mta::diagnosis
