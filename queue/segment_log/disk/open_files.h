#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"

namespace queue::segment_log {

// The segments that are open for reading: those used last, since a large spool has more segments
// than a process may have open files. Any thread may call it.
class OpenFiles {
public:
    static constexpr std::size_t open_max = 64;

    // `disk` must outlive it.
    explicit OpenFiles(Disk& disk) : disk_(disk) {}
    OpenFiles(const OpenFiles&) = delete;
    OpenFiles& operator=(const OpenFiles&) = delete;
    ~OpenFiles() = default;

    // Stays open as long as the caller holds it, whatever is opened meanwhile.
    DiskResult<std::shared_ptr<DiskFile>> get(std::uint64_t number);
    // To be called before the segment goes.
    void close(std::uint64_t number);

private:
    struct Entry {
        std::uint64_t number = 0;
        std::shared_ptr<DiskFile> file;
    };

    Disk& disk_;
    mta::Mutex mutex_;
    std::list<Entry> files_ GUARDED_BY(mutex_);  // the one used last in front
};

}  // namespace queue::segment_log
