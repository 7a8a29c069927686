#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mta::smtp {

enum class BodyEncoding : std::uint8_t {
    dot_stuffed,  // for DATA: RFC 5321 section 4.5.2, ended by a dot alone
    lines,        // for BDAT: no dots are added
    raw,          // for BDAT with BODY=BINARYMIME: bytes as they are
};

// Encodes one body on its way out, piece by piece; the result does not depend on where it was cut.
//
// Stored bodies have CRLF line ends. Should one not (a fault elsewhere), then each bare CR and LF
// leaves as CRLF: but for `raw`, nothing that could end a line only for the next host (SMTP
// smuggling) ever leaves.
//
//   append(piece, out)* -> finish(out)
class BodyEncoder {
public:
    explicit BodyEncoder(BodyEncoding encoding) : encoding_(encoding) {}

    // Appends to `out`. A CR at the end of a piece is held back until it is known what follows.
    void append(std::string_view piece, std::string& out);
    // Once: CRLF if the last line has none (not for `raw`), then for `dot_stuffed` the final
    // ".\r\n".
    void finish(std::string& out);

private:
    void append_lines(std::string_view piece, std::string& out);

    BodyEncoding encoding_;
    bool at_line_start_ = true;
    bool has_held_cr_ = false;
};

}  // namespace mta::smtp
