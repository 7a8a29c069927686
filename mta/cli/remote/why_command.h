#pragma once
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

struct WhyOptions {
    std::string what;  // a queue id, an address or a domain
    bool json = false;
};

// Runs `posthouse why ID|ADDRESS|DOMAIN`: says in sentences where the mail is, what it waits for
// and what happens next. If nothing is queued, it says so and where to look, and returns 1.
[[nodiscard]] int run_why(const ApiClient& api, const WhyOptions& options, CommandIo& io);

}  // namespace mta::cli
