#pragma once
#include <cstddef>
#include <string>

#include "mta/base/outcome.h"
#include "mta/base/time.h"

namespace mta::events {

// A destination, or the DNS of a domain, is no longer tried except by probes.
struct DestinationDown {
    std::string destination;
    DeliveryError error;
    Instant next_probe;
    std::size_t waiting = 0;  // bundles
};

struct DestinationUp {
    std::string destination;
    Millis down_for{};
    std::size_t waiting = 0;  // bundles
};

// A destination refuses mail from one of our addresses. The other sources of the same pool are used
// for it until `until`.
struct SourceSuspended {
    std::string destination;
    std::string source;
    DeliveryError error;
    Instant until;
};

}  // namespace mta::events
