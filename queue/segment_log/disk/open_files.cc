#include "queue/segment_log/disk/open_files.h"

#include <algorithm>

#include "queue/segment_log/format/segment_header.h"

namespace queue::segment_log {

// Opened under the lock, so that two readers of one segment open it once.
DiskResult<std::shared_ptr<DiskFile>> OpenFiles::get(std::uint64_t number) {
    const mta::MutexLock lock(mutex_);
    const auto found = std::ranges::find(files_, number, &Entry::number);
    if (found != files_.end()) {
        files_.splice(files_.begin(), files_, found);
        return files_.front().file;
    }
    if (files_.size() == open_max) files_.pop_back();
    auto opened = disk_.open(segment_path(number));
    // Files that are open and not in use can be opened again.
    while (!opened && opened.error().is_temporary() && !files_.empty()) {
        files_.pop_back();
        opened = disk_.open(segment_path(number));
    }
    if (!opened) return std::unexpected(std::move(opened).error());
    files_.push_front({number, std::move(*opened)});
    return files_.front().file;
}

void OpenFiles::close(std::uint64_t number) {
    const mta::MutexLock lock(mutex_);
    std::erase_if(files_, [number](const Entry& entry) { return entry.number == number; });
}

}  // namespace queue::segment_log
