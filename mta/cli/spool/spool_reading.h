// What the reading spool commands share.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "mta/cli/command_io.h"
#include "queue/segment_log/reading/spool_view.h"

namespace mta::cli {

// Says why on `err`; the exit status.
int fail(CommandIo& io, const std::string& text);

// Opens with a progress bar. Null: it has said why.
std::unique_ptr<queue::segment_log::SpoolView> open_view(
    queue::segment_log::Disk& disk, CommandIo& io, queue::MessageId history_of = 0,
    const std::function<bool()>& is_interrupted = {});

// What was put into quarantine/ and is read by no command. Empty: nothing.
[[nodiscard]] std::string quarantine_words(queue::segment_log::Disk& disk);

// What the reading met that is not as it should be, and what was set aside earlier; nothing if all
// is well. The exit status: exit_failed if the reading met damage.
int warn_of_problems(queue::segment_log::Disk& disk, const queue::segment_log::SpoolView& view,
                     CommandIo& io);

// "451 4.7.1 greylisted" or the words alone, with the host: for people.
[[nodiscard]] std::string describe(const DeliveryError& error);

}  // namespace mta::cli
