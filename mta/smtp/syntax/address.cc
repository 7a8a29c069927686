#include "mta/smtp/syntax/address.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/ip_address.h"
#include "mta/base/limits.h"

namespace mta::smtp {
namespace {

using Checked = std::expected<void, AddressError>;

bool is_8bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// atext of RFC 5322 section 3.2.3, or a byte of UTF-8 (RFC 6531 section 3.3).
bool is_atom_char(char c) {
    const bool is_alnum =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alnum || is_8bit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// U+0080 to U+009F are control characters, too, of two bytes each.
bool has_c1_control(std::string_view text) {
    for (std::size_t at = text.find('\xc2'); at != text.npos; at = text.find('\xc2', at + 1)) {
        if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0) return true;
    }
    return false;
}

Checked check_utf8(std::string_view text) {
    if (is_ascii(text) || (is_utf8(text) && !has_c1_control(text))) return {};
    return std::unexpected(AddressError::bad_utf8);
}

bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

// The length of the quoted string at the front, or 0 if there is none.
std::size_t quoted_size(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') return i + 1;
        const bool is_escaped = text[i] == '\\';
        if (is_escaped) ++i;
        if (i == text.size() || is_control(text[i])) return 0;
        if (is_escaped && is_8bit(text[i])) return 0;  // quoted-pairSMTP is ASCII
    }
    return 0;
}

// Dots may stand anywhere in an unquoted local part: RFC 5321 forbids "a..b", but such mailboxes
// exist.
std::expected<std::string_view, AddressError> take_local_part(std::string_view& input) {
    std::size_t size = 0;
    if (input.starts_with('"')) {
        size = quoted_size(input);
    } else {
        while (size < input.size() && (is_atom_char(input[size]) || input[size] == '.')) ++size;
    }
    if (size == 0) return std::unexpected(AddressError::bad_local_part);
    const auto local_part = input.substr(0, size);
    if (const auto checked = check_utf8(local_part); !checked) {
        return std::unexpected(checked.error());
    }
    input.remove_prefix(size);
    return local_part;
}

std::optional<std::string> canonical_literal(std::string_view literal) {
    if (!literal.starts_with('[') || !literal.ends_with(']')) return std::nullopt;
    auto text = literal.substr(1, literal.size() - 2);
    constexpr std::string_view tag = "IPv6:";
    const bool is_v6 = equals_ignoring_case(text.substr(0, tag.size()), tag);
    if (is_v6) text.remove_prefix(tag.size());
    const auto address = IpAddress::parse(text);
    // An IPv4-mapped address is written with colons, but is an IPv4 address.
    if (!address || is_v6 != (text.find(':') != text.npos)) return std::nullopt;
    return address->to_literal();
}

std::expected<std::string, AddressError> canonical_domain(std::string_view domain) {
    if (domain.size() > limits::domain_bytes_max) return std::unexpected(AddressError::too_long);
    if (const auto checked = check_utf8(domain); !checked) {
        return std::unexpected(checked.error());
    }
    auto canonical = domain.starts_with('[') ? canonical_literal(domain) : to_a_labels(domain);
    if (!canonical || domain.ends_with('.')) return std::unexpected(AddressError::bad_domain);
    return *std::move(canonical);
}

// Checks and skips the source route "@a,@b:" in front of a mailbox.
Checked take_source_route(std::string_view& input) {
    while (input.starts_with('@')) {
        input.remove_prefix(1);
        // A literal contains colons, too.
        const auto after_literal = input.starts_with('[') ? input.find(']') : 0;
        const auto end = input.find_first_of(",:", after_literal);
        if (end == input.npos) return std::unexpected(AddressError::bad_domain);
        if (const auto domain = canonical_domain(input.substr(0, end)); !domain) {
            return std::unexpected(domain.error());
        }
        const bool is_last = input[end] == ':';
        input.remove_prefix(end + 1);
        if (is_last) return {};
    }
    return std::unexpected(AddressError::bad_domain);
}

std::expected<Address, AddressError> make_address(std::string_view local_part,
                                                  std::string_view domain) {
    if (domain.find('@') != domain.npos) return std::unexpected(AddressError::bad_local_part);
    auto canonical = canonical_domain(domain);
    if (!canonical) return std::unexpected(canonical.error());
    if (local_part.size() > limits::local_part_bytes_max ||
        local_part.size() + 1 + domain.size() > limits::address_bytes_max) {
        return std::unexpected(AddressError::too_long);
    }
    return Address{std::string(local_part), std::string(domain), *std::move(canonical)};
}

}  // namespace

bool Address::needs_smtputf8() const { return !is_ascii(local_part) || !is_ascii(domain); }

bool Address::has_routing_local_part() const {
    return local_part.find_first_of("%!@") != std::string::npos;
}

std::string Address::text() const {
    return domain.empty() ? local_part : local_part + '@' + domain;
}

std::string_view describe(AddressError error) {
    switch (error) {
        case AddressError::no_brackets: return "put the address between < and >";
        case AddressError::bad_local_part: return "bad character before the @ of the address";
        case AddressError::bad_domain: return "what follows the @ is not a domain";
        case AddressError::no_domain: return "the address needs a domain: user@domain";
        case AddressError::too_long: return "the address is too long";
        case AddressError::bad_utf8: return "the address is not well-formed UTF-8";
    }
    std::unreachable();
}

std::expected<Address, AddressError> take_path(std::string_view& input, PathKind kind) {
    if (!input.starts_with('<')) return std::unexpected(AddressError::no_brackets);
    auto rest = input.substr(1);
    if (kind == PathKind::reverse && rest.starts_with('>')) {
        input = rest.substr(1);
        return Address{};
    }
    if (rest.starts_with('@')) {
        if (const auto route = take_source_route(rest); !route) {
            return std::unexpected(route.error());
        }
    }
    const auto local_part = take_local_part(rest);
    if (!local_part) return std::unexpected(local_part.error());
    const auto close = rest.find('>');
    if (close == rest.npos) return std::unexpected(AddressError::no_brackets);
    const auto after = rest.substr(close + 1);
    if (close == 0) {
        if (kind != PathKind::forward || !equals_ignoring_case(*local_part, "postmaster")) {
            return std::unexpected(AddressError::no_domain);
        }
        input = after;
        return Address{
            .local_part = std::string(*local_part), .domain = {}, .canonical_domain = {}};
    }
    if (rest.front() != '@') return std::unexpected(AddressError::bad_local_part);
    auto address = make_address(*local_part, rest.substr(1, close - 1));
    if (address) input = after;
    return address;
}

std::expected<Address, AddressError> parse_mailbox(std::string_view text) {
    const auto local_part = take_local_part(text);
    if (!local_part) return std::unexpected(local_part.error());
    if (text.empty()) return std::unexpected(AddressError::no_domain);
    if (text.front() != '@') return std::unexpected(AddressError::bad_local_part);
    return make_address(*local_part, text.substr(1));
}

}  // namespace mta::smtp
