#pragma once
#include <cstdint>

#include "mta/cli/api_client.h"
#include "mta/cli/command_io.h"

namespace mta::cli {

// Commands that change the queue for good or until told otherwise.
enum class QueueAction : std::uint8_t {
    cancel,   // drops it; nobody is told
    hold,     // keeps it and does not try
    release,  // ends a hold, and tries at once
};

struct ActionOptions {
    QueueAction action = QueueAction::cancel;
    Filter filter;     // all empty: everything in the queue
    bool yes = false;  // do not ask
    bool json = false;
};

// `posthouse cancel|hold|release FILTER`: says how many messages and recipients it is about. Cancel
// asks first on a terminal; without one it wants --yes (2). Nothing found: says so, 1.
[[nodiscard]] int run_action(const ApiClient& api, const ActionOptions& options, CommandIo& io);

}  // namespace mta::cli
