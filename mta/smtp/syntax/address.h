#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace mta::smtp {

// A mailbox of RFC 5321 section 4.1.2, with UTF-8 as of RFC 6531 section 3.3.
//
// `local_part` and `domain` are as written: a quoted local part keeps its quotes, and only the
// final domain may give '%' or '!' in it a meaning. They never contain a control character (C0,
// DEL, C1).
struct Address {
    std::string local_part;
    std::string domain;            // "them.example", "[192.0.2.1]"; may be empty, see below
    std::string canonical_domain;  // mta::to_a_labels() of it, or the literal in its shortest form

    // `<>`: the null reverse-path.
    [[nodiscard]] bool is_null() const { return local_part.empty(); }
    // `<postmaster>` in any case (RFC 5321 section 4.5.1), the only mailbox without a domain.
    [[nodiscard]] bool is_bare_postmaster() const { return domain.empty() && !is_null(); }
    [[nodiscard]] bool is_literal() const { return domain.starts_with('['); }
    // The address is valid only in a transaction with SMTPUTF8; 553 5.6.7 otherwise.
    [[nodiscard]] bool needs_smtputf8() const;
    // The local part itself looks like a route to another host: `user%them.example`, `them!user`,
    // `"user@them"`. A host may act on such a route, so a client that may not relay must not use
    // it.
    [[nodiscard]] bool has_routing_local_part() const;
    // "local-part@domain", "postmaster", "".
    [[nodiscard]] std::string text() const;
    bool operator==(const Address&) const = default;
};

enum class AddressError : std::uint8_t {
    no_brackets,     // does not start with '<', or '>' is missing
    bad_local_part,  // an illegal character, quotes that do not match, empty, an unquoted '@'
    bad_domain,      // not a domain (also after IDNA) nor an IPv4 or IPv6 literal
    no_domain,       // and the address is not postmaster
    too_long,        // beyond the limits of mta/base/limits.h
    bad_utf8,
};
[[nodiscard]] std::string_view describe(AddressError error);

enum class PathKind : std::uint8_t {
    reverse,  // may be `<>`
    forward,  // may be `<postmaster>`
};

// Takes a path in angle brackets off the front of `input`. A source route (`<@a,@b:c@d>`) is
// checked and dropped (RFC 5321 appendix C). The last '@' outside of quotes separates local part
// and domain; another unquoted one before it is an error. Spaces inside the brackets (outside of
// quotes) are errors.
[[nodiscard]] std::expected<Address, AddressError> take_path(std::string_view& input,
                                                             PathKind kind);

// Parses all of `text` as a mailbox: "user@them.example". The result is neither null nor a bare
// postmaster.
[[nodiscard]] std::expected<Address, AddressError> parse_mailbox(std::string_view text);

}  // namespace mta::smtp
