#pragma once
#include <string>
#include <vector>

#include "mta/base/ip_address.h"

namespace dns {

// The name servers of a file in the form of resolv.conf(5), as c-ares reads it; 127.0.0.1:53 if it
// names none.
[[nodiscard]] std::vector<mta::Endpoint> system_servers(const std::string& resolv_conf_path);

}  // namespace dns
