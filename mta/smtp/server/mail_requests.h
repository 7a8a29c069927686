#pragma once
#include <expected>

#include "mta/base/envelope.h"
#include "mta/base/time.h"
#include "mta/smtp/server/server_options.h"
#include "mta/smtp/server/server_reply.h"
#include "mta/smtp/syntax/command.h"

namespace mta::smtp {

// What a MAIL asks for beyond delivery (MT-PRIORITY, FUTURERELEASE, DELIVERBY), in absolute times,
// as far as this client may ask for it; or the reply to a request that cannot be granted.
[[nodiscard]] std::expected<Requests, ServerReply> requests_of(const MailArguments& arguments,
                                                               const ServerOptions& options,
                                                               const ClientRights& rights,
                                                               Instant now);

}  // namespace mta::smtp
