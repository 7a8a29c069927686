#pragma once
#include "mta/cli/invocation.h"

namespace mta::cli {

// Runs a command that asks a running relay (through the admin socket that the configuration names)
// or works on the spool, on the streams of the process. Returns the exit status.
[[nodiscard]] int operate(const Invocation& invocation);

}  // namespace mta::cli
