#include "mta/smtp/server/body_reception.h"

#include <algorithm>
#include <utility>

namespace mta::smtp {
namespace {

std::string buffer_for(std::string_view trace, std::uint64_t bytes) {
    std::string buffer;
    buffer.reserve(trace.size() + std::min<std::uint64_t>(bytes, limits::body_inline_bytes_max));
    return buffer;
}

}  // namespace

BodyReception::BodyReception(const DataLimits& limits, std::string_view trace, std::uint64_t bytes)
    : bytes_(buffer_for(trace, bytes)), stream_(limits, trace, bytes_) {}

bool BodyReception::feed_dotted(std::string_view& input) {
    auto piece = input.substr(0, limits::body_chunk_bytes_max - bytes_.size());
    const auto offered = piece.size();
    const bool has_ended = stream_.feed_dotted(piece, bytes_);
    input.remove_prefix(offered - piece.size());
    drop_if_refused();
    return has_ended;
}

std::size_t BodyReception::feed_chunk(std::string_view& input, std::uint64_t bytes_max) {
    const auto room = std::min<std::uint64_t>(bytes_max, limits::body_chunk_bytes_max - bytes());
    const auto piece = input.substr(0, static_cast<std::size_t>(room));
    stream_.feed_chunk(piece, bytes_);
    input.remove_prefix(piece.size());
    drop_if_refused();
    return piece.size();
}

void BodyReception::finish_chunks() {
    stream_.finish_chunks(bytes_);
    drop_if_refused();
}

std::string BodyReception::take() { return std::exchange(bytes_, {}); }

void BodyReception::refuse(ServerReply reply) {
    refusal_ = std::move(reply);
    bytes_ = {};
}

std::optional<ServerReply> BodyReception::refusal() const {
    if (refusal_) return refusal_;
    if (const auto& problem = stream_.problem()) return reply_to(*problem);
    return std::nullopt;
}

std::string_view BodyReception::refusal_cause() const {
    return stream_.problem() ? describe(*stream_.problem()) : "refused";
}

void BodyReception::drop_if_refused() {
    if (is_refused()) bytes_.clear();
}

}  // namespace mta::smtp
