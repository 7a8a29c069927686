#pragma once
#include <string>

#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// What the operator can do for a recipient, in sentences. `id` is the message's. Empty if there is
// nothing to do but wait.
[[nodiscard]] std::string advice(const outbound::RecipientView& recipient, const std::string& id);

}  // namespace mta::api
