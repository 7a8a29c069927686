// Property: for any bytes, the parser keeps its limits, consumes what it reports, and gives the
// same replies wherever the bytes are cut. The code is that of the reply's last line, however long
// a line is. The EHLO reader and the failure policy read each reply, also an unfinished one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/assert.h"
#include "mta/diagnosis/reply_policy.h"
#include "mta/diagnosis/retry_hint.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace {

using namespace mta;
using namespace mta::smtp;

struct Outcome {
    std::vector<Reply> replies;
    std::optional<ReplyError> error;
    bool has_partial = false;
    std::optional<Reply> cut;
    bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view bytes, std::size_t piece_bytes) {
    Outcome outcome;
    ReplyParser parser;
    while (!bytes.empty()) {
        auto piece = bytes.substr(0, piece_bytes);
        bytes.remove_prefix(piece.size());
        while (!piece.empty()) {
            const auto before = piece.size();
            auto reply = parser.feed(piece);
            if (!reply) {
                outcome.error = reply.error();
                outcome.cut = parser.take_cut();
                return outcome;
            }
            MTA_ASSERT(piece.size() < before);
            if (!*reply) {
                MTA_ASSERT(piece.empty());
                continue;
            }
            outcome.replies.push_back(std::move(**reply));
        }
    }
    outcome.has_partial = parser.has_partial();
    outcome.cut = parser.take_cut();
    return outcome;
}

void check(const Reply& reply) {
    MTA_ASSERT(reply.code >= 200 && reply.code <= 599);
    MTA_ASSERT(!reply.lines.empty() && reply.lines.size() <= mta::limits::reply_lines_max);
    std::size_t bytes = 0;
    for (const auto& line : reply.lines) {
        MTA_ASSERT(line.size() <= mta::limits::reply_line_bytes_max);
        MTA_ASSERT(line.find('\n') == line.npos);
        bytes += line.size();
    }
    MTA_ASSERT(bytes <= mta::limits::reply_bytes_max);
    (void)parse_capabilities(reply);
    for (const Stage stage : {Stage::greeting, Stage::mail, Stage::rcpt, Stage::body}) {
        const auto error = error_from_reply(stage, reply);
        MTA_ASSERT(error.status.klass == 4 || error.status.klass == 5);
        MTA_ASSERT(!error.is_permanent() || reply.first_digit() == 5);
        MTA_ASSERT(error.text.size() <= error_text_bytes_max + 100);
    }
    const auto hint = mta::diagnosis::parse_retry_hint(text_of(reply));
    MTA_ASSERT(!hint || (hint->count() >= 1000 && hint->count() <= 86'400'000));
}

// A reply ends with a line without a hyphen behind its code, and has the code of that line.
void check_codes(std::string_view bytes, const Outcome& outcome) {
    for (const auto& reply : outcome.replies) {
        std::string_view line;
        do {
            const auto end = bytes.find('\n');
            MTA_ASSERT(end != bytes.npos);
            line = bytes.substr(0, end);
            bytes.remove_prefix(end + 1);
        } while (line.size() > 3 && line[3] == '-');
        MTA_ASSERT(line.starts_with(std::to_string(reply.code)));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = parse(bytes, SIZE_MAX);
    MTA_ASSERT(parse(bytes, 1) == whole);
    MTA_ASSERT(parse(bytes, 3) == whole);
    for (const auto& reply : whole.replies) check(reply);
    if (whole.cut) check(*whole.cut);
    check_codes(bytes, whole);
    return 0;
}
