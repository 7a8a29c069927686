#pragma once
#include "mta/smtp/server/server_reply.h"
#include "queue/store.h"

namespace mta::inbound {

// What a client hears when the store cannot take its message: always 4xx, it is to come again. No
// word about our disks: the cause is in the log and in `posthouse status`.
[[nodiscard]] smtp::ServerReply reply_to(const queue::StoreError& error);

}  // namespace mta::inbound
