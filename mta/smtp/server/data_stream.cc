#include "mta/smtp/server/data_stream.h"

#include <algorithm>
#include <utility>

#include "mta/base/limits.h"
#include "mta/smtp/syntax/byte_scan.h"

namespace mta::smtp {

ServerReply reply_to(DataProblem problem) {
    switch (problem) {
        case DataProblem::bad_bytes:
            return {554,
                    {5, 6, 0},
                    "message refused: it has a bare CR, bare LF or NUL; lines must end with CR LF"};
        case DataProblem::too_many_hops:
            return {554, {5, 4, 6}, "message refused: too many Received lines, it seems to loop"};
        case DataProblem::too_many_fields:
            return {554, {5, 6, 0}, "message refused: too many header fields"};
        case DataProblem::header_too_large:
            return {552, {5, 3, 4}, "message refused: its header section is too large"};
        case DataProblem::line_too_long:
            return {554, {5, 6, 0}, "message refused: it has a line that is too long"};
        case DataProblem::too_large:
            return {552, {5, 3, 4}, "message refused: larger than the limit that EHLO tells"};
    }
    std::unreachable();
}

std::string_view describe(DataProblem problem) {
    switch (problem) {
        case DataProblem::bad_bytes: return "bare CR, bare LF or NUL";
        case DataProblem::too_many_hops: return "too many Received lines";
        case DataProblem::too_many_fields: return "too many header fields";
        case DataProblem::header_too_large: return "header section too large";
        case DataProblem::line_too_long: return "line too long";
        case DataProblem::too_large: return "message too large";
    }
    std::unreachable();
}

DataStream::DataStream(const DataLimits& limits, std::string_view trace, std::string& out)
    : limits_(limits), trace_bytes_(trace.size()) {
    out += trace;
    facts_.has_8bit = facts_.header_has_8bit = has_8bit(trace);
    while (!trace.empty()) {
        const auto line_bytes = std::min(trace.find('\n'), trace.size() - 1) + 1;
        facts_.line_bytes_max =
            std::max(facts_.line_bytes_max, static_cast<std::uint32_t>(line_bytes));
        trace.remove_prefix(line_bytes);
    }
}

bool DataStream::feed_dotted(std::string_view& input, std::string& out) {
    while (!input.empty()) {
        switch (state_) {
            case State::line_start:
                if (input.front() == '.') {
                    input.remove_prefix(1);
                    state_ = State::dot;
                    break;
                }
                [[fallthrough]];
            case State::text: take_text(input, out, true); break;
            case State::cr: take_cr(input, out); break;
            case State::dot:
            case State::dot_cr:
                if (take_dot(input)) return true;
                break;
        }
    }
    return false;
}

void DataStream::feed_chunk(std::string_view chunk, std::string& out) {
    while (!chunk.empty()) {
        if (state_ == State::cr) {
            take_cr(chunk, out);
        } else {
            take_text(chunk, out, false);
        }
    }
}

void DataStream::finish_chunks(std::string& out) {
    if (state_ == State::cr) return fail(DataProblem::bad_bytes);
    if (state_ == State::text) feed_chunk("\r\n", out);
}

// A dot has been taken at the start of a line. It is the end, or the stuffing of what follows.
bool DataStream::take_dot(std::string_view& input) {
    const char c = input.front();
    if (state_ == State::dot) {
        state_ = c == '\r' ? State::dot_cr : State::text;
        if (c == '\r') input.remove_prefix(1);
        return false;
    }
    if (c == '\n') {
        input.remove_prefix(1);
        return true;
    }
    fail(DataProblem::bad_bytes);
    state_ = State::text;
    return false;
}

void DataStream::take_cr(std::string_view& input, std::string& out) {
    if (input.front() != '\n') {
        fail(DataProblem::bad_bytes);
        state_ = State::text;
        return;
    }
    line_piece(input.substr(0, 1), true);
    pass(input.substr(0, 1), out);
    input.remove_prefix(1);
    state_ = State::line_start;
}

// The common case: a run of whole lines is checked line by line and passed on in one piece. The run
// ends with the input, before a dot at the start of a line (`stops_at_dot`), and behind a CR that
// is not followed by LF, at least not yet.
void DataStream::take_text(std::string_view& input, std::string& out, bool stops_at_dot) {
    const char* const end = input.data() + input.size();
    const char* line = input.data();
    do {
        const char* const cr = find_byte({line, end}, '\r');
        const char* const text_end = cr == nullptr ? end : cr;
        if (find_byte({line, text_end}, '\n') != nullptr) fail(DataProblem::bad_bytes);
        if (cr == nullptr || cr + 1 == end || cr[1] != '\n') {
            state_ = cr == nullptr ? State::text : State::cr;
            line_piece({line, cr == nullptr ? end : cr + 1}, false);
            line = cr == nullptr ? end : cr + 1;
            break;
        }
        state_ = State::line_start;
        line_piece({line, cr + 2}, true);
        line = cr + 2;
    } while (line != end && !(stops_at_dot && *line == '.'));
    const auto taken = static_cast<std::size_t>(line - input.data());
    pass(input.substr(0, taken), out);
    input.remove_prefix(taken);
}

void DataStream::line_piece(std::string_view piece, bool ends_line) {
    if (line_bytes_ == 0 && piece.front() == '.') facts_.has_leading_dots = true;
    line_bytes_ += piece.size();
    if (line_bytes_ > limits::text_line_bytes_max) {
        fail(DataProblem::line_too_long);
    } else if (line_bytes_ > facts_.line_bytes_max) {
        facts_.line_bytes_max = static_cast<std::uint32_t>(line_bytes_);
    }
    if (!header_.has_ended()) scan_header(piece, ends_line);
    if (ends_line) line_bytes_ = 0;
}

void DataStream::scan_header(std::string_view piece, bool ends_line) {
    header_.feed(piece, ends_line);
    if (header_.bytes_so_far() > limits::header_bytes_max) fail(DataProblem::header_too_large);
    if (header_.fields() > limits::header_fields_max) fail(DataProblem::too_many_fields);
    if (header_.received_fields() > limits_.received_hops_max) fail(DataProblem::too_many_hops);
}

void DataStream::pass(std::string_view run, std::string& out) {
    if (find_byte(run, '\0') != nullptr) fail(DataProblem::bad_bytes);
    if (!facts_.has_8bit) facts_.has_8bit = has_8bit(run);
    const bool is_first = facts_.size == 0;
    facts_.size += run.size();
    if (facts_.size > limits_.message_bytes_max) fail(DataProblem::too_large);
    if (problem_) return;
    if (is_first && (run.front() == ' ' || run.front() == '\t')) {
        out += "\r\n";
        separator_bytes_ = 2;
    }
    out += run;
}

void DataStream::fail(DataProblem problem) {
    problem_ = problem_ ? std::min(*problem_, problem) : problem;
}

BodyFacts DataStream::facts() const {
    auto facts = facts_;
    facts.size += trace_bytes_ + separator_bytes_;
    facts.header_bytes = static_cast<std::uint32_t>(trace_bytes_ + header_.bytes());
    facts.header_has_8bit = facts.header_has_8bit || header_.has_8bit();
    return facts;
}

}  // namespace mta::smtp
