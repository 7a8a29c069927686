#pragma once
#include <string>
#include <string_view>

#include "mta/outbound/report_request.h"

namespace mta::report {

// The original's header section as far as `head` has it: whole fields only, at most `bytes_max`
// bytes, with the line end of the last field and without the empty line.
[[nodiscard]] std::string_view header_of(const queue::Message& original, std::string_view head,
                                         std::size_t bytes_max);

// The value of the first field of that name, unfolded and trimmed; at most 2000 bytes of it. Empty:
// there is none.
[[nodiscard]] std::string field_of(std::string_view header, std::string_view name);

// A MIME part: its own header fields and its content, as they are put between two boundaries.
struct Part {
    std::string fields;  // each with CRLF
    std::string content;
};

// The third part of a report: the original, if it is 7-bit text, or its header. In ASCII.
[[nodiscard]] Part returned_part(const outbound::ReportRequest& request);

}  // namespace mta::report
