#pragma once
#include <string>

#include "mta/cli/api_client.h"
#include "mta/cli/command_io.h"

namespace mta::cli {

struct FlushOptions {
    std::string domain;  // empty: everything
    bool json = false;
};

// `posthouse flush [DOMAIN]`: tries now what waits for its next attempt. Held mail stays held.
[[nodiscard]] int run_flush(const ApiClient& api, const FlushOptions& options, CommandIo& io);

}  // namespace mta::cli
