#pragma once
#include "mta/cli/spool/spool_command.h"
#include "queue/segment_log/segments/log_options.h"

namespace mta::cli {

// Queues each pair of .eml and .json in the folder under a new id. What is queued is on disk,
// synced, before its files are renamed to .imported, so a second run takes nothing twice, and one
// that was cut off loses nothing. (Cut off by force between the two, it takes those few again.)
// What cannot be taken is told with its name and left as it is; the rest goes on.
int run_spool_import(queue::segment_log::Disk& disk, const queue::segment_log::LogOptions& options,
                     const SpoolRequest& request, const IsInterrupted& is_interrupted,
                     CommandIo& io);

}  // namespace mta::cli
