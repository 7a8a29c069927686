#pragma once
#include "mta/cli/spool/spool_command.h"
#include "queue/segment_log/segments/log_options.h"

namespace mta::cli {

// Queues each pair of .eml and .json files in the folder as a message with a new id. The files are
// renamed to .imported after the message is on disk and synced, so that a second run takes no
// message twice and an interrupted run loses none. (A run that is killed between the two steps
// takes those few messages again.) Files that cannot be taken are named on `err` and left as they
// are; the others are taken.
int run_spool_import(queue::segment_log::Disk& disk, const queue::segment_log::LogOptions& options,
                     const SpoolRequest& request, const IsInterrupted& is_interrupted,
                     CommandIo& io);

}  // namespace mta::cli
