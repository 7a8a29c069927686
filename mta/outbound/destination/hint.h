#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/time.h"
#include "queue/destination.h"
#include "queue/health.h"

namespace mta::outbound {

// What the relay knows of a destination or an address that is worth keeping over a restart: so that
// the next process neither hammers what is down nor forgets since when it is, keeps to the rates
// that this one has used up, and knows which destinations answer. To lose one is harmless,
// and so is a wrong clock.
struct Hint {
    enum class Kind : std::uint8_t { site, address };
    Kind kind = Kind::site;
    std::string key;  // SitePlan::key; "192.0.2.1:25"
    std::optional<queue::Health::Trouble> trouble = std::nullopt;
    // Of sites only:
    queue::RatesTaken rates_taken = {};
    Instant last_answer = {};  // Site::last_answer; Instant{}: none that still counts
    bool operator==(const Hint&) const = default;
};
using Hints = std::vector<Hint>;

}  // namespace mta::outbound
