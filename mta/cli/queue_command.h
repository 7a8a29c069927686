#pragma once
#include <cstdint>

#include "mta/cli/api_client.h"
#include "mta/cli/command_io.h"

namespace mta::cli {

struct QueueOptions {
    Filter filter;
    std::uint32_t limit = 100;  // messages shown; 0: all
    bool json = false;
};

// `posthouse queue`: what is waiting, oldest first, one line a recipient; with `json` an array
// [{id, sender, size, arrived, recipients: [{address, state, attempts, next_attempt, last_reply}]}]
// of all (or `limit`) messages. An empty queue is fine (0).
[[nodiscard]] int run_queue(const ApiClient& api, const QueueOptions& options, CommandIo& io);

}  // namespace mta::cli
