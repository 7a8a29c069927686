#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

struct TraceOptions {
    std::string what;               // an address or a domain
    std::string watch;              // the watcher's name, of no other's
    std::uint32_t attempts = 0;     // then it ends; 0: go on
    std::optional<Millis> timeout;  // nothing: go on
    bool json = false;              // an object a line
    // Waits so long; false: the user wants it to end.
    std::function<bool(Millis)> wait;
};

// Shows the SMTP dialogue of the coming attempts.
[[nodiscard]] int run_trace(const ApiClient& api, const TraceOptions& options, CommandIo& io);

}  // namespace mta::cli
