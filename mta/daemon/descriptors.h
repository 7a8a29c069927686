#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "conf/settings.h"

namespace mta::daemon {

// Every connection is a file descriptor, and so is every file of the spool. A crowd of clients must
// not take those that the spool needs: it would have to stop.

// Raises the soft limit of this process as far as it may, and returns it.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

// Lowers the limits on connections in `settings` so that they fit into `descriptors` with a reserve
// for the spool, the admin socket, the DNS and the log. Returns what was lowered, a sentence each.
[[nodiscard]] std::vector<std::string> fit_to_descriptors(conf::Settings& settings,
                                                          std::uint64_t descriptors);

}  // namespace mta::daemon
