#pragma once
#include <cstdint>
#include <string>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "queue/message.h"

namespace mta::events {

// An attempt begins, on an idle connection or on the way to a new one.
struct AttemptStarted {
    queue::MessageId id = 0;
    std::string destination;
    std::uint32_t recipients = 0;
};

// A host could not be reached, or failed before it answered about this message. The attempt goes
// on to the next host, if there is one.
struct HostFailed {
    queue::MessageId id = 0;
    std::string destination;
    DeliveryError error;
};

// The attempt ended for a reason that is not the message's (host, DNS, a connection that was lost).
// It does not count as an attempt. The bundle waits for its destination, or until `next_due`.
struct Postponed {
    queue::MessageId id = 0;
    std::string destination;
    DeliveryError error;
    Instant next_due;  // Instant{}: as soon as the destination is back
};

}  // namespace mta::events
