#pragma once
#include "mta/smtp/server/server_reply.h"
#include "queue/store.h"

namespace mta::inbound {

// The reply to a client whose message the store cannot take: always 4xx, so that the client tries
// again. It does not mention the cause, which is in the log and in `posthouse status`.
[[nodiscard]] smtp::ServerReply reply_to(const queue::StoreError& error);

}  // namespace mta::inbound
