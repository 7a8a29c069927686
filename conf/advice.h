#pragma once
#include <string>
#include <vector>

#include "conf/settings.h"

namespace conf {

// One sentence about each setting that is allowed but is probably a mistake: an open relay, a host
// name without a dot, a relay through which no client may send. `posthouse check` prints the
// sentences; `serve` logs them as warnings at start.
[[nodiscard]] std::vector<std::string> advice(const Settings& settings);

}  // namespace conf
