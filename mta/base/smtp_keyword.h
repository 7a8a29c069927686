#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "mta/base/domain.h"

namespace mta {

// A keyword of an EHLO reply that the client uses and can do without.
enum class SmtpKeyword : std::uint8_t {
    pipelining,
    eight_bit_mime,
    smtputf8,
    dsn,
    chunking,
    binary_mime,
    size,
    mt_priority,
    deliver_by,
    limits,
};

// As in an EHLO reply, in the order of SmtpKeyword.
inline constexpr std::array<std::string_view, 10> smtp_keyword_names = {
    "PIPELINING", "8BITMIME", "SMTPUTF8",    "DSN",       "CHUNKING",
    "BINARYMIME", "SIZE",     "MT-PRIORITY", "DELIVERBY", "LIMITS"};

[[nodiscard]] constexpr std::string_view to_string(SmtpKeyword keyword) {
    return smtp_keyword_names[static_cast<std::size_t>(keyword)];
}

// Ignores case; nothing if the name is none of them.
[[nodiscard]] inline std::optional<SmtpKeyword> parse_smtp_keyword(std::string_view name) {
    for (std::size_t i = 0; i < smtp_keyword_names.size(); ++i)
        if (equals_ignoring_case(name, smtp_keyword_names[i])) return static_cast<SmtpKeyword>(i);
    return std::nullopt;
}

class SmtpKeywords {
public:
    constexpr SmtpKeywords() = default;
    constexpr SmtpKeywords(std::initializer_list<SmtpKeyword> keywords) {
        for (const auto keyword : keywords) add(keyword);
    }

    constexpr void add(SmtpKeyword keyword) { bits_ |= bit(keyword); }
    constexpr void remove(SmtpKeyword keyword) {
        bits_ &= static_cast<std::uint16_t>(~bit(keyword));
    }
    [[nodiscard]] constexpr bool has(SmtpKeyword keyword) const {
        return (bits_ & bit(keyword)) != 0;
    }
    [[nodiscard]] constexpr bool is_empty() const { return bits_ == 0; }
    [[nodiscard]] constexpr SmtpKeywords operator|(SmtpKeywords other) const {
        other.bits_ |= bits_;
        return other;
    }
    constexpr bool operator==(const SmtpKeywords&) const = default;

private:
    static constexpr std::uint16_t bit(SmtpKeyword keyword) {
        return static_cast<std::uint16_t>(1u << static_cast<unsigned>(keyword));
    }

    std::uint16_t bits_ = 0;
};

}  // namespace mta
