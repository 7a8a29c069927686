#pragma once
#include "mta/api/why/words.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// The answer of `posthouse why` about a message: where it is, since when, what each recipient waits
// for, what was tried, what happens next, and what the operator can do.
[[nodiscard]] Lines words_about(const outbound::MessageView& message, Instant now);

}  // namespace mta::api
