#include "mta/smtp/syntax/capabilities.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

#include "mta/base/domain.h"

namespace mta::smtp {
namespace {

// No real server has more; without a limit a peer could make the list grow for ever.
constexpr std::size_t auth_mechanisms_max = 32;

// The next word up to white space (or `separator`), taken off the front of `text`.
std::string_view take_word(std::string_view& text, char separator = ' ') {
    const auto is_gap = [&](char c) { return c == ' ' || c == '\t' || c == separator; };
    while (!text.empty() && is_gap(text.front())) text.remove_prefix(1);
    std::size_t length = 0;
    while (length < text.size() && !is_gap(text[length])) ++length;
    const auto word = text.substr(0, length);
    text.remove_prefix(length);
    return word;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number value = 0;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto [at, error] = std::from_chars(begin, end, value);
    if (text.empty() || error != std::errc{} || at != end) return std::nullopt;
    return value;
}

void add_auth_mechanisms(std::string_view words, std::vector<std::string>& mechanisms) {
    while (mechanisms.size() < auth_mechanisms_max) {
        const auto word = take_word(words);
        if (word.empty()) return;
        std::string name(word);
        std::ranges::transform(name, name.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        if (std::ranges::find(mechanisms, name) == mechanisms.end()) {
            mechanisms.push_back(std::move(name));
        }
    }
}

void read_limits(std::string_view words, Capabilities& out) {
    while (true) {
        auto word = take_word(words);
        if (word.empty()) return;
        const auto equals = word.find('=');
        if (equals == word.npos) continue;
        const auto name = word.substr(0, equals);
        const auto number = parse_number<std::uint32_t>(word.substr(equals + 1));
        if (!number || *number == 0) continue;
        if (equals_ignoring_case(name, "RCPTMAX")) out.recipients_max = *number;
        if (equals_ignoring_case(name, "MAILMAX")) out.transactions_max = *number;
        if (equals_ignoring_case(name, "RCPTDOMAINMAX")) out.recipient_domains_max = *number;
    }
}

void read_line(std::string_view line, Capabilities& out) {
    struct Flag {
        std::string_view keyword;
        bool Capabilities::* member;
    };
    static constexpr Flag flags[] = {
        {"PIPELINING", &Capabilities::pipelining},
        {"8BITMIME", &Capabilities::eight_bit_mime},
        {"SMTPUTF8", &Capabilities::smtputf8},
        {"DSN", &Capabilities::dsn},
        {"CHUNKING", &Capabilities::chunking},
        {"BINARYMIME", &Capabilities::binary_mime},
        {"ENHANCEDSTATUSCODES", &Capabilities::enhanced_status_codes},
        {"STARTTLS", &Capabilities::starttls},
        {"REQUIRETLS", &Capabilities::requiretls},
        {"MT-PRIORITY", &Capabilities::mt_priority},
        {"DELIVERBY", &Capabilities::deliver_by},
    };
    auto rest = line;
    // "AUTH=LOGIN PLAIN": the form before RFC 2554.
    const auto keyword = take_word(rest, '=');
    for (const auto& flag : flags) {
        if (equals_ignoring_case(keyword, flag.keyword)) out.*flag.member = true;
    }
    if (equals_ignoring_case(keyword, "SIZE")) {
        out.size = true;
        out.size_bytes_max = parse_number<std::uint64_t>(take_word(rest)).value_or(0);
    } else if (equals_ignoring_case(keyword, "DELIVERBY")) {
        out.deliver_by_min_s = parse_number<std::uint32_t>(take_word(rest)).value_or(0);
    } else if (equals_ignoring_case(keyword, "AUTH")) {
        if (rest.starts_with('=')) rest.remove_prefix(1);
        add_auth_mechanisms(rest, out.auth_mechanisms);
    } else if (equals_ignoring_case(keyword, "LIMITS")) {
        read_limits(rest, out);
    }
}

}  // namespace

void Capabilities::remove(SmtpKeywords keywords) {
    const auto clear = [&](SmtpKeyword keyword, bool& flag) {
        if (keywords.has(keyword)) flag = false;
    };
    clear(SmtpKeyword::pipelining, pipelining);
    clear(SmtpKeyword::eight_bit_mime, eight_bit_mime);
    clear(SmtpKeyword::smtputf8, smtputf8);
    clear(SmtpKeyword::dsn, dsn);
    clear(SmtpKeyword::chunking, chunking);
    clear(SmtpKeyword::binary_mime, binary_mime);
    clear(SmtpKeyword::size, size);
    clear(SmtpKeyword::mt_priority, mt_priority);
    clear(SmtpKeyword::deliver_by, deliver_by);
    if (keywords.has(SmtpKeyword::size)) size_bytes_max = 0;
    if (keywords.has(SmtpKeyword::deliver_by)) deliver_by_min_s = 0;
    if (keywords.has(SmtpKeyword::limits))
        recipients_max = transactions_max = recipient_domains_max = 0;
}

Capabilities parse_capabilities(const Reply& ehlo_reply) {
    Capabilities capabilities;
    for (std::size_t i = 1; i < ehlo_reply.lines.size(); ++i) {
        read_line(ehlo_reply.lines[i], capabilities);
    }
    return capabilities;
}

}  // namespace mta::smtp
