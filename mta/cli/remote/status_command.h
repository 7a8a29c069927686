#pragma once
#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// Runs `posthouse status`: version, uptime, queue, spool, destinations in trouble, listeners,
// configuration. The exit status is 1 if the relay does not run or refuses new mail, which is all
// that a monitoring script needs.
[[nodiscard]] int run_status(const ApiClient& api, bool json, CommandIo& io);

}  // namespace mta::cli
