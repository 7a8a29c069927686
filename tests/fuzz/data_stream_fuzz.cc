// Property: the result does not depend on where the body is cut. An accepted body has CRLF line
// ends only and no NUL, and the facts about it are true.
#include <cstdint>
#include <string>

#include "mta/base/assert.h"
#include "mta/smtp/server/data_stream.h"

namespace {

using namespace mta;
using namespace mta::smtp;

struct Read {
    std::string body;
    std::string rest;
    bool has_ended = false;
    std::optional<DataProblem> problem;
    BodyFacts facts;
    std::string message_id;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view bytes, std::size_t step, bool is_dotted) {
    Read result;
    DataStream stream({.message_bytes_max = 2000, .received_hops_max = 3}, "Received: us\r\n",
                      result.body);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        auto piece = bytes.substr(at, step);
        if (!is_dotted) {
            stream.feed_chunk(piece, result.body);
            continue;
        }
        if (!result.has_ended) result.has_ended = stream.feed_dotted(piece, result.body);
        result.rest += piece;
    }
    if (!is_dotted) stream.finish_chunks(result.body);
    result.problem = stream.problem();
    if (result.problem) {
        result.body.clear();
        return result;
    }
    result.facts = stream.facts();
    result.message_id = stream.message_id();
    return result;
}

void check_accepted(const Read& result) {
    const auto& body = result.body;
    const auto& facts = result.facts;
    MTA_ASSERT(body.ends_with("\r\n"));
    bool has_8bit = false;
    bool has_leading_dots = false;
    for (std::size_t i = 0; i < body.size(); ++i) {
        MTA_ASSERT(body[i] != '\0');
        MTA_ASSERT(body[i] != '\n' || (i > 0 && body[i - 1] == '\r'));
        MTA_ASSERT(body[i] != '\r' || (i + 1 < body.size() && body[i + 1] == '\n'));
        has_8bit = has_8bit || static_cast<unsigned char>(body[i]) >= 0x80;
        has_leading_dots = has_leading_dots || (body[i] == '.' && i > 0 && body[i - 1] == '\n');
    }
    MTA_ASSERT(facts.size == body.size());
    MTA_ASSERT(facts.header_bytes <= body.size());
    MTA_ASSERT(body.substr(0, facts.header_bytes).ends_with("\r\n"));
    MTA_ASSERT(body.substr(0, facts.header_bytes).find("\r\n\r\n") == std::string::npos);
    MTA_ASSERT(facts.has_8bit == has_8bit);
    MTA_ASSERT(facts.has_leading_dots == has_leading_dots);
    MTA_ASSERT(result.message_id.size() <= HeaderScan::message_id_bytes_max);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const bool is_dotted = (data[0] & 1) == 0;
    const std::size_t step = std::size_t{data[1]} % 40 + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
    const auto whole = read(bytes, bytes.size() + 1, is_dotted);
    MTA_ASSERT(whole == read(bytes, step, is_dotted));
    if (is_dotted) {
        const auto end = bytes.find("\r\n.\r\n");
        MTA_ASSERT(whole.has_ended == (bytes.starts_with(".\r\n") || end != bytes.npos));
        if (!whole.has_ended) return 0;
        const auto taken = bytes.starts_with(".\r\n") ? 3 : end + 5;
        MTA_ASSERT(whole.rest == bytes.substr(taken));
    }
    if (!whole.problem) check_accepted(whole);
    return 0;
}
