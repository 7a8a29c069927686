#pragma once
#include <cstdint>
#include <string>

#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"

namespace mta::cli {

// The orders that change queued mail.
enum class QueueAction : std::uint8_t {
    cancel,   // removes it without a report
    bounce,   // gives it up with a report to the senders
    hold,     // keeps it without trying
    release,  // ends a hold and tries at once
    flush,    // tries at once
};

struct OrderOptions {
    QueueAction action = QueueAction::cancel;
    Filter filter;       // an empty one means everything in the queue
    std::string reason;  // of a bounce; empty: the relay's default
    bool yes = false;    // do not ask
    bool dry_run = false;
    bool json = false;
};

// Runs `posthouse cancel|bounce|hold|release|flush FILTER`. On a terminal it says how many messages
// and recipients the order is about and asks for a confirmation: always for cancel and bounce, for
// the others if there is more than one message. Without a terminal, cancel and bounce need --yes
// (exit status 2). If no message matches, it says so and the exit status is 1 (of flush 0).
[[nodiscard]] int run_order(const ApiClient& api, const OrderOptions& options, CommandIo& io);

}  // namespace mta::cli
