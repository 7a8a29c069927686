#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mta/base/histogram.h"
#include "mta/smtp/server/server_reply.h"

namespace mta::inbound {

// A rough classification of 4xx and 5xx replies, for figures.
enum class Refusal : std::uint8_t {
    too_many_connections,
    too_many_from_address,
    relaying,    // neither the client nor the recipient's domain is ours
    spool,       // no room, or an error of the disk
    size,        // of the message
    recipients,  // too many in one message
    content,     // loops, bare line ends, headers
    syntax,      // not a valid command, or out of order
    other,
};
inline constexpr std::size_t refusal_count = 9;
[[nodiscard]] std::string_view to_string(Refusal refusal);
[[nodiscard]] Refusal refusal_of(const smtp::ServerReply& reply);

// Figures about a shard's clients since its start.
struct Statistics {
    std::uint64_t connections = 0;
    std::array<std::uint64_t, refusal_count> refused{};
    Histogram stored;  // time from the end of a message until it is on disk

    void count(Refusal refusal) { ++refused[static_cast<std::size_t>(refusal)]; }
};

}  // namespace mta::inbound
