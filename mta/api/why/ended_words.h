#pragma once
#include "mta/api/why/words.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// The answer of `posthouse why` about a recipient that was given up: when, why, and where the
// report to the sender is.
[[nodiscard]] Lines words_about(const outbound::EndingView& ending, Instant now);

}  // namespace mta::api
