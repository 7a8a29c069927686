#pragma once
#include <string>

#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// How `posthouse why` calls a recipient and its destination, fit for a terminal.
[[nodiscard]] std::string name_of(const outbound::RecipientView& recipient);
[[nodiscard]] std::string destination_of(const outbound::RecipientView& recipient);

}  // namespace mta::api
