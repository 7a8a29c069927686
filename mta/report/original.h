#pragma once
#include <string>
#include <string_view>

#include "mta/outbound/report_request.h"

namespace mta::report {

// The part of the original's header section that `head` has: whole fields, at most `bytes_max`
// bytes, with the line end of the last field and without the empty line.
[[nodiscard]] std::string_view header_of(const queue::Message& original, std::string_view head,
                                         std::size_t bytes_max);

// The first 2000 bytes of the first field of that name, unfolded and trimmed; empty if there is no
// such field.
[[nodiscard]] std::string field_of(std::string_view header, std::string_view name);

// A MIME part, as it stands between two boundaries: its header fields and its content.
struct Part {
    std::string fields;  // each with CRLF
    std::string content;
};

// The third part of a report: the original, if it is 7-bit text, or its header. In ASCII.
[[nodiscard]] Part returned_part(const outbound::ReportRequest& request);

}  // namespace mta::report
