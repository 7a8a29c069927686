#include "mta/smtp/syntax/dot_stuffing.h"

#include "mta/base/assert.h"
#include "mta/smtp/syntax/byte_scan.h"

namespace mta::smtp {

void BodyEncoder::append(std::string_view piece, std::string& out) {
    if (piece.empty()) return;
    if (encoding_ == BodyEncoding::raw) {
        out += piece;
        return;
    }
    // Room for one dot or CR per 64 bytes. More is rare; the string grows then.
    out.reserve(out.size() + piece.size() + piece.size() / 64 + 8);
    if (has_held_cr_) {
        has_held_cr_ = false;
        out += "\r\n";
        at_line_start_ = true;
        if (piece.front() == '\n') piece.remove_prefix(1);
    }
    if (piece.ends_with('\r')) {
        has_held_cr_ = true;
        piece.remove_suffix(1);
    }
    append_lines(piece, out);
}

// Bytes that need no change are appended in long runs; `clean` is where the current run began.
// `line_feed` is searched once a line, however many bare CRs it contains, so the time is linear.
void BodyEncoder::append_lines(std::string_view piece, std::string& out) {
    const char* at = piece.data();
    const char* const end = at + piece.size();
    const char* clean = at;
    const char* line_feed = nullptr;  // `end` if there are no more
    while (at != end) {
        if (at_line_start_ && *at == '.' && encoding_ == BodyEncoding::dot_stuffed) {
            out.append(clean, at);
            out += '.';
            clean = at;
        }
        if (line_feed == nullptr || line_feed < at) {
            const char* const found = find_byte({at, end}, '\n');
            line_feed = found == nullptr ? end : found;
        }
        const char* const cr = find_byte({at, line_feed}, '\r');
        if (cr == nullptr && line_feed == end) {
            at_line_start_ = false;
            break;
        }
        at_line_start_ = true;
        if (cr != nullptr && cr + 1 == line_feed && line_feed != end) {
            at = line_feed + 1;
            continue;
        }
        const char* const bare = cr != nullptr ? cr : line_feed;
        out.append(clean, bare);
        out += "\r\n";
        at = clean = bare + 1;
    }
    out.append(clean, end);
}

void BodyEncoder::finish(std::string& out) {
    if (encoding_ == BodyEncoding::raw) return;
    if (has_held_cr_ || !at_line_start_) out += "\r\n";
    if (encoding_ == BodyEncoding::dot_stuffed) out += ".\r\n";
    has_held_cr_ = false;
    at_line_start_ = true;
}

}  // namespace mta::smtp
