#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/outbound/destination/hint.h"

namespace mta::daemon {

// Hints as the bytes that the spool keeps for the next process (queue/spool.h): a line that names
// the version, then the hints. The spool detects damage.
[[nodiscard]] std::string encode_hints(const outbound::Hints& hints);
// Empty if the bytes are incomplete, or of another version.
[[nodiscard]] std::optional<outbound::Hints> decode_hints(std::string_view bytes);

}  // namespace mta::daemon
