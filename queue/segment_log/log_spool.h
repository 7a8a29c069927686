#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/hint_file.h"
#include "queue/segment_log/disk/posix_disk.h"
#include "queue/segment_log/log_service.h"
#include "queue/spool.h"

namespace queue::segment_log {

// The segment log in a folder of this machine's disk, as the process's Spool.
class LogSpool final : public Spool {
public:
    // Makes the folder if it is missing. The folder must belong to the user that runs the process.
    // The error says what to do. `options.random_seed` is ignored: the seed comes from the system's
    // random source.
    [[nodiscard]] static StoreResult<std::unique_ptr<LogSpool>> open(const std::string& path,
                                                                     LogOptions options,
                                                                     SpoolEvents events);

    [[nodiscard]] std::unique_ptr<Store> make_store(Post post) override;
    [[nodiscard]] SpoolOpening opening() const override;
    [[nodiscard]] SpoolFindings take_findings() override;
    [[nodiscard]] SpoolFigures figures() const override;
    void set_limits(const SpoolLimits& limits) override;
    [[nodiscard]] std::string read_hints() override { return hints_.read(); }
    void keep_hints(std::string bytes) override { hints_.keep(std::move(bytes)); }
    [[nodiscard]] std::string hints_problem() const override { return hints_.problem(); }

private:
    explicit LogSpool(const std::string& path) : disk_(path), hints_(disk_) {}

    // mutable: the port to the disk has no constant functions.
    mutable PosixDisk disk_;
    std::unique_ptr<LogService> service_;
    HintFile hints_;  // ends first: the log's lock protects its file, too

    // How much of each list take_findings() has returned.
    mta::Mutex taken_mutex_;
    std::size_t damages_taken_ GUARDED_BY(taken_mutex_) = 0;
    std::size_t damages_met_taken_ GUARDED_BY(taken_mutex_) = 0;
    std::size_t notes_taken_ GUARDED_BY(taken_mutex_) = 0;
};

}  // namespace queue::segment_log
