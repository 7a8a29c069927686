#pragma once
#include <optional>
#include <string_view>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"

namespace queue::segment_log {

// An ENQ record that does not check out as a whole because the body in it has changed.
struct SalvagedEnqueue {
    Record record;
    EnqueuePayload enqueue;  // without its body: the message looks like one whose body is elsewhere
};
// The body has a checksum of its own in the envelope, so it can be told whether all the rest is as
// it was written. Nothing: it is not, or `bytes` do not begin with such a record.
[[nodiscard]] std::optional<SalvagedEnqueue> salvage_enqueue(std::string_view bytes,
                                                             Generation generation);

}  // namespace queue::segment_log
