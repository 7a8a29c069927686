#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mta {

// ASCII only: 'A'-'Z' become 'a'-'z', every other byte stays.
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
// `part` is in lower case already.
[[nodiscard]] bool contains_ignoring_case(std::string_view text, std::string_view part);

// A host or mail domain in ASCII: labels of 1 to 63 letters, digits, hyphens (not first or last)
// and underscores (seen in real host names), at most 253 bytes in all, no trailing dot. Case is
// kept.
[[nodiscard]] bool is_valid_domain(std::string_view domain);

// The name to ask the DNS for and to compare with: lower case, U-labels turned into A-labels (RFC
// 5890, non-transitional), one trailing dot dropped. Nothing if it is not a valid domain then.
[[nodiscard]] std::optional<std::string> to_a_labels(std::string_view domain);

// `domain` is `.suffix`'s subtree ("mail.office.example" is under "office.example"; the suffix
// itself is not). Both in the form that to_a_labels() gives.
[[nodiscard]] bool is_under(std::string_view domain, std::string_view suffix);

[[nodiscard]] bool is_ascii(std::string_view text);
// How many bytes the well-formed UTF-8 character has that `text` begins with; 0: it begins with
// none. `text` is not empty.
[[nodiscard]] std::size_t utf8_character_size(std::string_view text);
// Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace mta
