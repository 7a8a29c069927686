#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "conf/settings.h"

namespace mta::daemon {

// Every connection is a file descriptor, and so is every file of the spool. A crowd of clients must
// not take those that the spool, the deliveries and the administrator need. So the descriptors are
// shared out, and each part keeps its limit:
//
//   lingering    a sixteenth, 4 to 1024: sockets that end (io::Lingering)
//   reserve      a quarter, 24 to 512: 64 segments open for reading (segment_log::OpenFiles), some
//                twenty files more of the spool, 64 clients of the admin socket, the sockets of the
//                DNS (at most two a name server), the listeners, the log and the loops
//   connections  the rest: inbound.connections and delivery.connections

// Raises the soft limit of this process as far as it may, and returns it.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

// How many sockets may linger.
[[nodiscard]] std::uint32_t lingering_max(std::uint64_t descriptors);

// Lowers the limits on connections in `settings` so that they fit into `descriptors` beside the
// other parts. Returns what was lowered, a sentence each.
[[nodiscard]] std::vector<std::string> fit_to_descriptors(conf::Settings& settings,
                                                          std::uint64_t descriptors);

}  // namespace mta::daemon
