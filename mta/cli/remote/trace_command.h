#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

struct TraceOptions {
    std::string what;               // an address or a domain
    std::string watch;              // the name of this watcher, which no other one has
    std::uint32_t attempts = 0;     // after which it ends; 0: no end
    std::optional<Millis> timeout;  // after which it ends; empty: no end
    bool json = false;              // one object a line
    // Waits for this time. Returns false if the user wants to end the command.
    std::function<bool(Millis)> wait;
};

// Runs `posthouse trace`: shows the SMTP dialogue of the coming attempts.
[[nodiscard]] int run_trace(const ApiClient& api, const TraceOptions& options, CommandIo& io);

}  // namespace mta::cli
