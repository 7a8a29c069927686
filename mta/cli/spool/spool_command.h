#pragma once
#include <functional>
#include <string>

#include "conf/settings.h"
#include "mta/cli/command_io.h"
#include "mta/cli/invocation.h"
#include "queue/segment_log/disk/disk.h"

namespace mta::cli {

// `posthouse spool ls|cat|verify|export|import` work on the files of the spool. All but import only
// read, and may run beside a relay. Each function returns the exit status.

// Runs the command of `invocation` on the folder `path`. Import writes as `settings` say.
int run_spool(const std::string& path, const conf::Settings& settings, const Invocation& invocation,
              CommandIo& io);

// ---- Each command, on any disk ----

// Returns true if the command is to end at the next good moment.
using IsInterrupted = std::function<bool()>;

int run_spool_ls(queue::segment_log::Disk& disk, const Invocation& invocation, CommandIo& io);
int run_spool_cat(queue::segment_log::Disk& disk, const Invocation& invocation, CommandIo& io);
int run_spool_verify(queue::segment_log::Disk& disk, bool json, CommandIo& io);
int run_spool_export(queue::segment_log::Disk& disk, const SpoolRequest& request,
                     const IsInterrupted& is_interrupted, CommandIo& io);

}  // namespace mta::cli
