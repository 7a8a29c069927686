#include "mta/cli/spool/spool_command.h"

#include "mta/cli/spool/spool_import.h"
#include "mta/cli/spool/spool_reading.h"
#include "mta/cli/terminal/interrupt.h"
#include "queue/segment_log/disk/posix_disk.h"

namespace mta::cli {

int run_spool(const std::string& path, const conf::Settings& settings, const Invocation& invocation,
              CommandIo& io) {
    using queue::segment_log::PosixDisk;
    const auto& request = invocation.spool;
    if (request.action == SpoolAction::import_files) {
        PosixDisk disk(path);
        if (const auto owner = disk.foreign_owner())
            return fail(io, queue::segment_log::foreign_owner_words(disk, *owner, "spool import"));
        Interrupt interrupt;
        queue::segment_log::LogOptions options;
        options.segment_bytes = settings.spool.segment_bytes;
        options.free_percent_min = settings.spool.free_percent_min;
        options.free_bytes_min = settings.spool.free_bytes_min;
        options.random_seed = queue::segment_log::system_random();
        return run_spool_import(
            disk, options, request, [&] { return interrupt.is_requested(); }, io);
    }
    PosixDisk disk(path, PosixDisk::Access::read_only);
    switch (request.action) {
        case SpoolAction::ls: return run_spool_ls(disk, invocation, io);
        case SpoolAction::cat: return run_spool_cat(disk, invocation, io);
        case SpoolAction::verify: return run_spool_verify(disk, invocation.json, io);
        default: break;
    }
    Interrupt interrupt;
    return run_spool_export(disk, request, [&] { return interrupt.is_requested(); }, io);
}

}  // namespace mta::cli
