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

// Why a body is refused after its end. If a body has several problems, the first one in this list
// counts, wherever it occurs in the body.
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

// Decodes and checks a message's body, received by DATA (RFC 5321 section 4.5.2) or by BDAT (RFC
// 3030). Its output has only CRLF line ends, no NUL and no dot-stuffing, and ends with CRLF unless
// it is empty.
//
//   DataStream(...) -> feed_dotted() until it returns true
//                   -> feed_chunk()* -> finish_chunks()
//
// Only CRLF.CRLF ends DATA (the CRLF of the command line counts as the first). After the first
// problem there is no more output, but the end is still recognised. Memory use is constant.
//
// A first line that starts with white space would continue the Received field in front of it. An
// empty line is put between them then, so that the whole body is text.
class DataStream {
public:
    // Appends `trace` to `out`: complete header fields that go in front (the Received line). They
    // count in the facts but not against the limits.
    DataStream(const DataLimits& limits, std::string_view trace, std::string& out);

    // Takes from the front of `input` and appends the text to `out`: never more bytes than it took,
    // except for two at the start. Returns true when the CRLF of the final dot has been taken; the
    // rest of `input` is not part of the body.
    [[nodiscard]] bool feed_dotted(std::string_view& input, std::string& out);

    // Takes a chunk or a part of one. All of it is body.
    void feed_chunk(std::string_view chunk, std::string& out);
    // To be called after the LAST chunk. Adds a CRLF at the end if it is missing.
    void finish_chunks(std::string& out);

    [[nodiscard]] const std::optional<DataProblem>& problem() const { return problem_; }
    // Valid once the end has come. Meaningless for a body with a problem.
    [[nodiscard]] BodyFacts facts() const;
    [[nodiscard]] const std::string& message_id() const { return header_.message_id(); }

private:
    // The position of the next byte. Only feed_dotted() uses the dot states.
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
    BodyFacts facts_;  // `size` counts the input only
    std::uint64_t trace_bytes_ = 0;
    std::uint64_t separator_bytes_ = 0;
    std::uint64_t line_bytes_ = 0;
};

}  // namespace mta::smtp
