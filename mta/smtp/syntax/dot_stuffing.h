#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mta::smtp {

enum class BodyEncoding : std::uint8_t {
    dot_stuffed,  // for DATA: RFC 5321 section 4.5.2, ends with a line that is only a dot
    lines,        // for BDAT: no dots are added
    raw,          // for BDAT with BODY=BINARYMIME: the bytes are not changed
};

// Encodes one outgoing body, piece by piece. The result does not depend on where the pieces are
// cut.
//
// Stored bodies have CRLF line ends. Should one not (because of a fault elsewhere), each bare CR
// and LF is sent as CRLF. So, except for `raw`, nothing is sent that only the next host could take
// for the end of a line (SMTP smuggling).
//
//   append(piece, out)* -> finish(out)
class BodyEncoder {
public:
    explicit BodyEncoder(BodyEncoding encoding) : encoding_(encoding) {}

    // Appends to `out`. A CR at the end of a piece is held back until the next byte is known.
    void append(std::string_view piece, std::string& out);
    // To be called once. Appends CRLF if the last line has none (not for `raw`), then, for
    // `dot_stuffed`, the final ".\r\n".
    void finish(std::string& out);

private:
    void append_lines(std::string_view piece, std::string& out);

    BodyEncoding encoding_;
    bool at_line_start_ = true;
    bool has_held_cr_ = false;
};

}  // namespace mta::smtp
