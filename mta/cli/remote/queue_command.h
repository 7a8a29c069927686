#pragma once
#include <cstdint>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

struct QueueOptions {
    Filter filter;
    QueueQuestion question;
    std::uint32_t limit = 100;  // messages or groups shown; 0: all
    bool json = false;
};

// `posthouse queue`: what is waiting, the oldest first unless sorted otherwise, one line a
// recipient; with `json` an array
// [{id, sender, size, arrived, recipients: [{address, state, attempts, next_attempt, last_reply}]}]
// of all (or `limit`) messages. Grouped or counted: a line a group, or one in all; with `json` the
// relay's answer. An empty queue is fine (0).
[[nodiscard]] int run_queue(const ApiClient& api, const QueueOptions& options, CommandIo& io);

}  // namespace mta::cli
