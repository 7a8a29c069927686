#pragma once
#include <optional>
#include <string_view>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"

namespace queue::segment_log {

// An ENQ record whose checksum does not match because the body in it has changed.
struct SalvagedEnqueue {
    Record record;
    EnqueuePayload enqueue;  // without its body: the message looks like one whose body is elsewhere
};
// The envelope contains a checksum of the body, which shows whether all the rest is as it was
// written. Empty if it is not, or if `bytes` do not begin with such a record.
[[nodiscard]] std::optional<SalvagedEnqueue> salvage_enqueue(std::string_view bytes,
                                                             Generation generation);

}  // namespace queue::segment_log
