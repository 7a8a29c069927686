#pragma once
#include <cstdint>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

struct QueueOptions {
    Filter filter;
    QueueQuestion question;
    std::uint32_t limit = 100;  // of messages or groups; 0: all
    bool json = false;
};

// Runs `posthouse queue`: lists what is queued, one line a recipient, the oldest first unless
// another order is asked for. With `json` it writes an array
// [{id, sender, size, arrived, recipients: [{address, state, attempts, next_attempt, last_reply}]}]
// of all messages or of the first `limit`. With groups it writes a line for each, with a count one
// line in all; with `json` the relay's answer. An empty queue is no error (exit status 0).
[[nodiscard]] int run_queue(const ApiClient& api, const QueueOptions& options, CommandIo& io);

}  // namespace mta::cli
