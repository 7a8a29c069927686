#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "queue/message.h"

namespace mta::report {

// The characters that a line of the report may have.
enum class Charset : std::uint8_t { ascii, utf8 };

// Makes one line of untrusted text. Control characters and line ends become spaces. Bytes above 0x7f
// stay if `charset` is utf8 and the whole text is valid UTF-8; otherwise each becomes '?'.
[[nodiscard]] std::string to_one_line(std::string_view text, Charset charset);

// A header or delivery-status field, folded at spaces to 78 columns where that is possible, and
// always to less than 998 bytes a line. `value` is one line; each '\n' in it begins a continuation
// line.
[[nodiscard]] std::string fold_field(std::string_view name, std::string_view value);

// An unstructured header value in ASCII: valid UTF-8 becomes encoded words (RFC 2047), other bytes
// above 0x7f become '?'. The text is cut between words to about `bytes_max` bytes.
[[nodiscard]] std::string to_header_text(std::string_view text, std::size_t bytes_max);

// Paragraph text: lines of at most `columns` bytes where words allow it, each with `indent` before
// it and CRLF behind it.
[[nodiscard]] std::string wrap(std::string_view text, std::string_view indent,
                               std::size_t columns = 76);

// Quoted-printable (RFC 2045 section 6.7) of text with CRLF line ends. Any other CR, LF or byte is
// encoded.
[[nodiscard]] std::string to_quoted_printable(std::string_view text);

// RFC 3461 section 4: "+2B" becomes '+'. A '+' without two hex digits stays.
[[nodiscard]] std::string from_xtext(std::string_view xtext);

// Whether the text may travel as 7bit or 8bit (RFC 2045 section 2.7 f.): CRLF is its only line end,
// it has no NUL, and no line has more than 998 bytes without the CRLF.
[[nodiscard]] bool is_canonical_text(std::string_view text);

// The facts of a whole message with CRLF line ends.
[[nodiscard]] queue::BodyFacts facts_of(std::string_view message);

}  // namespace mta::report
