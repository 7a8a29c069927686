#pragma once
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

struct WhyOptions {
    std::string what;  // a queue id, an address or a domain
    bool json = false;
};

// `posthouse why ID|ADDRESS|DOMAIN`: where the mail is, what it waits for, and what happens next,
// in sentences. Nothing queued for it: says so, with a hint where to look, and exits with 1.
[[nodiscard]] int run_why(const ApiClient& api, const WhyOptions& options, CommandIo& io);

}  // namespace mta::cli
