#pragma once
#include <cstddef>

#include "mta/api/why/words.h"
#include "mta/base/time.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// What was tried for the recipient at place `number` of the message's view. Recipients that were
// tried together refer to the one before.
[[nodiscard]] Lines attempt_lines(const outbound::MessageView& message, std::size_t number,
                                  Instant now);

}  // namespace mta::api
