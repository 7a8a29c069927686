#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mta/base/time.h"
#include "mta/outbound/desk/message_filter.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::outbound {

// What an open recipient's last trouble was, roughly: for figures, not for people.
enum class Trouble : std::uint8_t { none, dns, connection, refused, in_doubt, held };
inline constexpr std::size_t trouble_count = 6;
[[nodiscard]] constexpr std::string_view to_string(Trouble trouble) {
    constexpr std::array<std::string_view, trouble_count> names = {
        "none", "dns", "connection", "refused", "in_doubt", "held"};
    return names[static_cast<std::size_t>(trouble)];
}

// Open recipients of something, and the arrival of the oldest one's message.
struct Depth {
    std::size_t recipients = 0;
    Instant oldest = Instant::max();  // max: there is none
    std::array<std::size_t, trouble_count> by_trouble{};

    void add(const Depth& other) {
        recipients += other.recipients;
        oldest = std::min(oldest, other.oldest);
        for (std::size_t i = 0; i < by_trouble.size(); ++i) by_trouble[i] += other.by_trouble[i];
    }
};

// A walk over the whole queue in small steps, between which mail flows: OperatorDesk::sweep().
// What comes and goes meanwhile may be missed or counted, so the figures are of no single moment.
struct QueueSweep {
    ScanCursor next = 0;
    bool is_done = false;
    std::vector<Depth> domains;  // by the queue's own index of a domain
};

// A destination with all that waits for it, be it in line or for a later attempt.
struct DestinationDepth {
    DestinationView view;  // only `name`, a domain's, if it is not known yet where that goes
    Depth depth;
};

// The destinations with the most and with the oldest mail; `others` are all the rest in one.
struct DepthSummary {
    std::vector<DestinationDepth> destinations;  // the deepest first
    DestinationDepth others;
    std::size_t others_count = 0;
};

}  // namespace mta::outbound
