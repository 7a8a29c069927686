#pragma once
#include <string>

#include "mta/base/time.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// What a recipient waits for, as the predicate of a sentence: "waits for its next attempt, in 4m
// (12:04:00 UTC)."
[[nodiscard]] std::string what_it_waits_for(const outbound::RecipientView& recipient, Instant now);

}  // namespace mta::api
