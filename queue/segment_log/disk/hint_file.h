#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"

namespace queue::segment_log {

// The file "hints" in the spool's folder: bytes for the next process, and a checksum behind them.
//
// Losing them is harmless, so a thread of its own writes them, nothing waits for it, and the file
// is not synced. It replaces the former file in one step.
class HintFile {
public:
    // `disk` must outlive it.
    explicit HintFile(Disk& disk) : disk_(disk) {}
    HintFile(const HintFile&) = delete;
    HintFile& operator=(const HintFile&) = delete;
    // Waits until the last hints are written.
    ~HintFile();

    // Empty if there is no file, or if its checksum does not match.
    [[nodiscard]] std::string read();
    // Of hints that wait to be written, the last ones count.
    void keep(std::string bytes);
    // Why the last writing failed; empty if it did not, or while it is under way.
    [[nodiscard]] std::string problem() const;

private:
    void write_all();
    [[nodiscard]] std::optional<std::string> next_or_end();
    DiskResult<void> replace(std::string_view bytes);

    Disk& disk_;
    std::thread writer_;
    mutable mta::Mutex mutex_;
    std::optional<std::string> next_ GUARDED_BY(mutex_);
    bool is_writing_ GUARDED_BY(mutex_) = false;
    std::string problem_ GUARDED_BY(mutex_);
};

}  // namespace queue::segment_log
