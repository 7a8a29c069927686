#pragma once
#include "mta/base/outcome.h"

namespace mta::smtp {

// What servers say in words because SMTP has no code for it. The words are those of real servers;
// what is not known here is an ordinary failure, so these tables may be wrong by what they lack,
// and must not be by what they have.

// The server has as many connections of ours (or in all) as it wants: it works, and waits for
// fewer. Asked of a refusal before the first message only (greeting, EHLO): elsewhere the words are
// about other things.
[[nodiscard]] bool is_too_many_connections(const DeliveryError& error);

// The server refuses the address that we came from (a block list, its reputation, no name in the
// DNS), not this message, its sender or its recipient: from another address it may be taken. Any
// 4xx or 5xx of any stage.
[[nodiscard]] bool is_about_our_address(const DeliveryError& error);

// The same for one reason: it wants a name in the reverse DNS (PTR) for the address.
[[nodiscard]] bool is_about_reverse_name(const DeliveryError& error);

}  // namespace mta::smtp
