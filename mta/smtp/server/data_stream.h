#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/envelope.h"
#include "mta/smtp/server/header_scan.h"
#include "mta/smtp/server/server_reply.h"

namespace mta::smtp {

struct DataLimits {
    std::uint64_t message_bytes_max = 50'000'000;  // as sent, without our Received line
    std::uint32_t received_hops_max = 50;
};

// Why a body is refused, once, after its real end. If there is more than one problem, the first of
// this list counts, wherever it stands in the body.
enum class DataProblem : std::uint8_t {
    bad_bytes,         // 554 5.6.0: a CR or LF that is not part of a CRLF (`\r\r\n` too), or NUL
    too_many_hops,     // 554 5.4.6: a loop
    too_many_fields,   // 554 5.6.0: limits::header_fields_max
    header_too_large,  // 552 5.3.4: limits::header_bytes_max
    line_too_long,     // 554 5.6.0: limits::text_line_bytes_max
    too_large,         // 552 5.3.4: DataLimits::message_bytes_max
};
[[nodiscard]] std::string_view describe(DataProblem problem);  // "bare CR, bare LF or NUL"
[[nodiscard]] ServerReply reply_to(DataProblem problem);

// A message's body on its way in, by DATA (RFC 5321 section 4.5.2) or by BDAT (RFC 3030). What it
// passes on has only CRLF line ends, no NUL, no dot-stuffing, and ends with CRLF unless it is
// empty.
//
//   DataStream(...) -> feed_dotted() until it says true
//                   -> feed_chunk()* -> finish_chunks()
//
// Only CRLF.CRLF ends DATA (the CRLF of the command line counts as the first). From the first
// problem on nothing is passed on any more, while the end is looked for all the same. Memory is
// flat.
//
// A first line that starts with white space would continue our Received field: an empty line goes
// between, and all of it is text.
class DataStream {
public:
    // `trace`: complete header fields that go in front (the Received line), counted in the facts
    // but not against the limits. Appended to `out`.
    DataStream(const DataLimits& limits, std::string_view trace, std::string& out);

    // Takes from the front of `input`, appends the text to `out` (never more bytes than it took,
    // but for two at the start). True: the final dot's CRLF has been taken, the rest of `input` is
    // not body.
    [[nodiscard]] bool feed_dotted(std::string_view& input, std::string& out);

    // The bytes of a chunk or a part of it; all of it is body.
    void feed_chunk(std::string_view chunk, std::string& out);
    // After the LAST chunk. A missing CRLF at the end is added.
    void finish_chunks(std::string& out);

    [[nodiscard]] const std::optional<DataProblem>& problem() const { return problem_; }
    // Right once the end has come; of a body with a problem they mean nothing.
    [[nodiscard]] BodyFacts facts() const;
    [[nodiscard]] const std::string& message_id() const { return header_.message_id(); }

private:
    // Where the next byte stands. The dot states are of feed_dotted() alone.
    enum class State : std::uint8_t { line_start, text, cr, dot, dot_cr };

    [[nodiscard]] bool take_dot(std::string_view& input);
    void take_text(std::string_view& input, std::string& out, bool stops_at_dot);
    void take_cr(std::string_view& input, std::string& out);
    void line_piece(std::string_view piece, bool ends_line);
    void scan_header(std::string_view piece, bool ends_line);
    void pass(std::string_view run, std::string& out);
    void fail(DataProblem problem);

    DataLimits limits_;
    HeaderScan header_;
    State state_ = State::line_start;
    std::optional<DataProblem> problem_;
    BodyFacts facts_;  // `size` is of what came
    std::uint64_t trace_bytes_ = 0;
    std::uint64_t separator_bytes_ = 0;
    std::uint64_t line_bytes_ = 0;
};

}  // namespace mta::smtp
