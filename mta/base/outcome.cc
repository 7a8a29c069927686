#include "mta/base/outcome.h"

namespace mta {
namespace {

// Takes one to three digits.
std::optional<std::uint16_t> take_number(std::string_view& text) {
    std::uint16_t value = 0;
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
        if (digits == 3) return std::nullopt;
        value = static_cast<std::uint16_t>(value * 10 + (text[digits] - '0'));
        ++digits;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

}  // namespace

std::string to_string(EnhancedStatus status) {
    return std::to_string(status.klass) + '.' + std::to_string(status.subject) + '.' +
           std::to_string(status.detail);
}

std::optional<EnhancedStatus> take_enhanced_status(std::string_view& text) {
    auto rest = text;
    EnhancedStatus status;
    std::uint16_t* const parts[] = {&status.klass, &status.subject, &status.detail};
    for (std::uint16_t* part : parts) {
        if (part != parts[0]) {
            if (!rest.starts_with('.')) return std::nullopt;
            rest.remove_prefix(1);
        }
        const auto number = take_number(rest);
        if (!number) return std::nullopt;
        *part = *number;
    }
    if (status.klass != 2 && status.klass != 4 && status.klass != 5) return std::nullopt;
    if (!rest.empty() && rest[0] != ' ' && rest[0] != '\t') return std::nullopt;
    if (!rest.empty()) rest.remove_prefix(1);
    text = rest;
    return status;
}

std::string reply_of(const DeliveryError& error) {
    if (error.reply_code == 0) return error.text;
    return std::to_string(error.reply_code) + (error.text.empty() ? "" : ' ' + error.text);
}

}  // namespace mta
