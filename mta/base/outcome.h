#pragma once
#include <compare>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace mta {

// RFC 3463 class.subject.detail, as in "4.7.1".
struct EnhancedStatus {
    std::uint16_t klass = 0;
    std::uint16_t subject = 0;
    std::uint16_t detail = 0;
    auto operator<=>(const EnhancedStatus&) const = default;
};

[[nodiscard]] std::string to_string(EnhancedStatus status);  // "4.7.1"

// Takes "5.1.1" and one space behind it off the front of `text`, or changes nothing if there is no
// status. Each part has at most three digits, the class is 2, 4 or 5 (RFC 3463 section 2).
[[nodiscard]] std::optional<EnhancedStatus> take_enhanced_status(std::string_view& text);

// How far a failure reaches, which decides what else is held back.
//   recipient  only this address at this host
//   message    all recipients of this message at this host
//   host       all mail for this host (connection, greeting, EHLO, TLS, 421): charged to the
//              destination's health, never to a message's attempts
//   domain     the resolution of the name (DNS): no host was reached
enum class Scope : std::uint8_t { recipient, message, host, domain };

// Why a recipient was not served this time. `status.klass` alone decides: retry (4) or give up (5).
// What else it means, mta/diagnosis says.
struct DeliveryError {
    EnhancedStatus status;
    Scope scope = Scope::recipient;
    std::uint16_t reply_code = 0;  // 0: there was no reply, `text` is ours
    std::string text;              // of the reply, lines joined by '\n'; or ours; unescaped
    std::string remote;            // "mx1.them.example [192.0.2.1]:25"; empty: no host was reached

    [[nodiscard]] bool is_permanent() const { return status.klass == 5; }
    bool operator==(const DeliveryError&) const = default;
};
// "450 4.7.1 greylisted", lines joined by '\n'; our own words if there was no reply.
[[nodiscard]] std::string reply_of(const DeliveryError& error);

template <class T>
using Result = std::expected<T, DeliveryError>;

// Returns the error of a Result to the caller; std::expected of GCC 12 has no and_then.
#define MTA_TRY(var, expr)                                       \
    auto&& var##_result = (expr);                                \
    if (!var##_result) {                                         \
        return std::unexpected(std::move(var##_result).error()); \
    }                                                            \
    auto&& var = *var##_result

}  // namespace mta
