#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include "mta/base/ip_address.h"

namespace mta::io {

// Converts mta::Endpoint to the form of the system's calls, and back. An unknown family becomes
// 0.0.0.0:0.
[[nodiscard]] sockaddr_storage to_sockaddr(const Endpoint& endpoint);
[[nodiscard]] Endpoint from_sockaddr(const sockaddr_storage& address);

}  // namespace mta::io
