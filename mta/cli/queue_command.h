#pragma once
#include <cstdint>
#include <string>

#include "mta/cli/api_client.h"
#include "mta/cli/command_io.h"

namespace mta::cli {

// Filters are joined by "and"; empty ones match everything.
struct QueueOptions {
    std::string id;
    std::string from;           // the sender's address
    std::string to;             // a recipient's address
    std::string domain;         // of a recipient
    std::string state;          // queued, delivering, held, in_doubt
    std::uint32_t limit = 100;  // messages shown; 0: all
    bool json = false;
};

// `posthouse queue`: what is waiting, oldest first, one line a recipient; with `json` an array
// [{id, sender, size, arrived, recipients: [{address, state, attempts, next_attempt, last_reply}]}]
// of all (or `limit`) messages. An empty queue is fine (0).
[[nodiscard]] int run_queue(const ApiClient& api, const QueueOptions& options, CommandIo& io);

}  // namespace mta::cli
