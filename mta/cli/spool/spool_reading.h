// What the spool commands that read have in common.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "mta/cli/command_io.h"
#include "queue/segment_log/reading/spool_view.h"

namespace mta::cli {

// Writes the text to `err`. Returns the exit status.
int fail(CommandIo& io, const std::string& text);

// Reads the spool, with a progress bar. Null if that failed; the reason is on `err` then.
std::unique_ptr<queue::segment_log::SpoolView> open_view(
    queue::segment_log::Disk& disk, CommandIo& io, queue::MessageId history_of = 0,
    const std::function<bool()>& is_interrupted = {});

// A sentence about the files in quarantine/, which no command reads. Empty if there are none.
[[nodiscard]] std::string quarantine_words(queue::segment_log::Disk& disk);

// Writes to `err` which damage was met while the spool was read, and what was put into quarantine
// earlier. Returns the exit status: exit_failed if there was damage.
int warn_of_problems(queue::segment_log::Disk& disk, const queue::segment_log::SpoolView& view,
                     CommandIo& io);

// An error for people: "451 4.7.1 greylisted" or only its words, with the host.
[[nodiscard]] std::string describe(const DeliveryError& error);

}  // namespace mta::cli
