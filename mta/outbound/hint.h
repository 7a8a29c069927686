#pragma once
#include <string>
#include <vector>

#include "queue/health.h"

namespace mta::outbound {

// Something that was in trouble when the relay last looked, to be kept over a restart: so that the
// next process neither hammers what is down nor forgets since when it is. To lose one is harmless.
struct Hint {
    enum class Kind : std::uint8_t { site, address };
    Kind kind = Kind::site;
    std::string key;  // SitePlan::key; "192.0.2.1:25"
    queue::Health::Trouble trouble;
    bool operator==(const Hint&) const = default;
};
using Hints = std::vector<Hint>;

}  // namespace mta::outbound
