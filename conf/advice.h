#pragma once
#include <string>
#include <vector>

#include "conf/settings.h"

namespace conf {

// What is allowed and yet seldom meant (an open relay, a host name without a dot, nobody who may
// send): one sentence each. `posthouse check` prints them, `serve` logs them as warnings at start.
[[nodiscard]] std::vector<std::string> advice(const Settings& settings);

}  // namespace conf
