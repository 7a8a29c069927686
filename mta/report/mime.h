#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "queue/message.h"

namespace mta::report {

// Which bytes above 0x7f may stay in a line of ours.
enum class Charset : std::uint8_t { ascii, utf8 };

// Makes one line of foreign text: controls (line ends too) become spaces; bytes above 0x7f stay if
// `charset` is utf8 and the whole text is valid UTF-8, else each is '?'.
[[nodiscard]] std::string to_one_line(std::string_view text, Charset charset);

// A header or delivery-status field, folded at spaces to 78 columns where it can be, and to less
// than 998 bytes a line always. `value` is one line; every '\n' in it begins a continuation line.
[[nodiscard]] std::string fold_field(std::string_view name, std::string_view value);

// An unstructured header value in ASCII: valid UTF-8 becomes encoded words (RFC 2047), other bytes
// above 0x7f '?'. Cut between words to about `bytes_max` bytes.
[[nodiscard]] std::string to_header_text(std::string_view text, std::size_t bytes_max);

// Paragraph text: lines of at most `columns` bytes where words allow it, each with `indent` before
// it and CRLF behind it.
[[nodiscard]] std::string wrap(std::string_view text, std::string_view indent,
                               std::size_t columns = 76);

// RFC 2045 section 6.7, for text with CRLF line ends; any other CR, LF or byte is encoded.
[[nodiscard]] std::string to_quoted_printable(std::string_view text);

// RFC 3461 section 4: "+2B" becomes '+'. Nothing changes at a '+' without two hex digits.
[[nodiscard]] std::string from_xtext(std::string_view xtext);

// Only CRLF as line end, no NUL, no line over 998 bytes (CRLF not counted): may travel as 7bit or
// 8bit (RFC 2045 section 2.7 f.).
[[nodiscard]] bool is_canonical_text(std::string_view text);

// The facts of a whole message with CRLF line ends.
[[nodiscard]] queue::BodyFacts facts_of(std::string_view message);

}  // namespace mta::report
