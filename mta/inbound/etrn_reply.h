#pragma once
#include "mta/base/wake_up.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::inbound {

// The reply to a client that asked for a domain's mail (RFC 1985 section 5.3). In the number of
// messages, each message counts once for each recipient in the domain.
[[nodiscard]] smtp::ServerReply reply_to(const smtp::EtrnArguments& asked, const WakeUp& wake_up);
// The reply to "ETRN #name".
[[nodiscard]] smtp::ServerReply no_such_queue(const smtp::EtrnArguments& asked);

}  // namespace mta::inbound
