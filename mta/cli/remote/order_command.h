#pragma once
#include <cstdint>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// Commands that change what becomes of queued mail.
enum class QueueAction : std::uint8_t {
    cancel,   // drops it; nobody is told
    bounce,   // gives it up; the senders get a report
    hold,     // keeps it and does not try
    release,  // ends a hold, and tries at once
    flush,    // tries at once
};

struct OrderOptions {
    QueueAction action = QueueAction::cancel;
    Filter filter;       // all empty: everything in the queue
    std::string reason;  // bounce; empty: the relay's default
    bool yes = false;    // do not ask
    bool dry_run = false;
    bool json = false;
};

// `posthouse cancel|bounce|hold|release|flush FILTER`: says how many messages and recipients it is
// about and asks first on a terminal; cancel and bounce always, and elsewhere they want --yes (2);
// the others if it is more than one message. Nothing found: says so, 1 (flush: 0).
[[nodiscard]] int run_order(const ApiClient& api, const OrderOptions& options, CommandIo& io);

}  // namespace mta::cli
