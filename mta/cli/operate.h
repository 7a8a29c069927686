#pragma once
#include "mta/cli/invocation.h"

namespace mta::cli {

// Runs a command that asks a running relay, through the admin socket that the configuration names,
// on the process's own streams. The exit status.
[[nodiscard]] int operate(const Invocation& invocation);

}  // namespace mta::cli
