#pragma once
#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// `posthouse status`: version, uptime, what is queued, the spool, destinations in trouble,
// listeners, configuration. Exits with 1 if the relay is not running or refuses new mail, so that a
// monitoring script needs no more than this.
[[nodiscard]] int run_status(const ApiClient& api, bool json, CommandIo& io);

}  // namespace mta::cli
