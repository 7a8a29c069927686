#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mta::smtp {

// Cuts command lines out of a client's input, which arrives in pieces of any size.
//
// A line ends with CRLF and nothing else. A bare CR is part of the line. A bare LF ends it, too,
// but as a mistake: the client may be waiting for a reply, and what follows may be part of the
// line. Of a line longer than limits::command_line_bytes_max only the first bytes are kept.
class LineGatherer {
public:
    enum class End : std::uint8_t { crlf, bare_lf };
    struct Line {
        std::string_view text;  // without a CRLF, with a bare LF; valid until the next take()
        End end = End::crlf;
        bool is_too_long = false;
    };

    // Takes from the front of `input`, which is not empty, to the end of the line at most. Returns
    // no value while the line's end has not come.
    [[nodiscard]] std::optional<Line> take(std::string_view& input);

private:
    std::string line_;  // under way, or the last one that came in pieces
    bool is_whole_ = false;
    bool ends_with_cr_ = false;
};

}  // namespace mta::smtp
