#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mta::smtp {

// xtext (RFC 3461 section 4): printable ASCII except '+' and '=' stays as it is; all else becomes
// '+' and two upper-case hexadecimal digits.
[[nodiscard]] std::string encode_xtext(std::string_view text);
// Strict: no value unless every byte is an xchar or part of a complete hexchar.
[[nodiscard]] std::optional<std::string> decode_xtext(std::string_view text);

// Decodes the address of `ORCPT=utf-8;...` (RFC 6533 section 3): utf-8-addr-xtext, and with
// `unitext_allowed` (the transaction has SMTPUTF8) also utf-8-addr-unitext. `\x{...}` becomes
// UTF-8.
[[nodiscard]] std::optional<std::string> decode_utf8_address(std::string_view text,
                                                             bool unitext_allowed);

// Encodes `address` (UTF-8) in the form that is 7-bit, utf-8-addr-xtext: for a report or an ORCPT
// that must not contain UTF-8.
[[nodiscard]] std::string encode_utf8_address(std::string_view address);

// Whether an ORCPT value, "type;address", conforms to RFC 3461 section 4.2 and RFC 6533: the type
// is an atom, and the address decodes to 1 to limits::orcpt_bytes_max bytes without control
// characters, in ASCII unless the type is utf-8.
[[nodiscard]] bool is_valid_orcpt(std::string_view value, bool unitext_allowed);

// Whether an ENVID value conforms to RFC 3461 section 4.4: it decodes to 1 to
// limits::envid_bytes_max printable ASCII characters.
[[nodiscard]] bool is_valid_envid(std::string_view value);

}  // namespace mta::smtp
