#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mta/base/histogram.h"
#include "mta/smtp/server/server_reply.h"

namespace mta::inbound {

// Why a client heard 4xx or 5xx, roughly: for figures, not for people.
enum class Refusal : std::uint8_t {
    too_many_connections,
    too_many_from_address,
    relaying,    // neither a client nor a domain of ours
    spool,       // no room, or no luck with the disk
    size,        // of the message
    recipients,  // too many in one message
    content,     // loops, bare line ends, headers
    syntax,      // not understood, or out of order
    other,
};
inline constexpr std::size_t refusal_count = 9;
[[nodiscard]] std::string_view to_string(Refusal refusal);
[[nodiscard]] Refusal refusal_of(const smtp::ServerReply& reply);

// Of a shard's clients, since the start.
struct Statistics {
    std::uint64_t connections = 0;
    std::array<std::uint64_t, refusal_count> refused{};
    Histogram stored;  // from the end of a message to its being on disk

    void count(Refusal refusal) { ++refused[static_cast<std::size_t>(refusal)]; }
};

}  // namespace mta::inbound
