#pragma once
#include <vector>

#include "mta/base/ip_address.h"

namespace mta::io {

// The addresses of this machine's interfaces, loopback included; empty if the system call fails.
[[nodiscard]] std::vector<IpAddress> own_addresses();

}  // namespace mta::io
