#pragma once
#include "mta/base/wake_up.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::inbound {

// What a client hears that asked for a domain's mail (RFC 1985 section 5.3). Of a number of
// messages each counts as often as it has recipients there.
[[nodiscard]] smtp::ServerReply reply_to(const smtp::EtrnArguments& asked, const WakeUp& wake_up);
// "ETRN #name".
[[nodiscard]] smtp::ServerReply no_such_queue(const smtp::EtrnArguments& asked);

}  // namespace mta::inbound
