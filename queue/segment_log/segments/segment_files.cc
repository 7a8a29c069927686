#include "queue/segment_log/segments/segment_files.h"

namespace queue::segment_log {

DiskResult<std::string> SegmentFile::read(std::uint64_t offset, std::size_t length) {
    const auto file = open_files_->get(number_);
    if (!file) return std::unexpected(file.error());
    return (*file)->read(offset, length);
}

void SegmentFiles::add(std::uint64_t number, Generation generation) {
    const mta::MutexLock lock(mutex_);
    files_[number] = std::make_shared<SegmentFile>(open_files_, number, generation);
}

std::shared_ptr<SegmentFile> SegmentFiles::find(std::uint64_t number) const {
    const mta::MutexLock lock(mutex_);
    const auto found = files_.find(number);
    return found == files_.end() ? nullptr : found->second;
}

bool SegmentFiles::remove_unless_read(std::uint64_t number) {
    const mta::MutexLock lock(mutex_);
    const auto found = files_.find(number);
    if (found == files_.end()) return true;
    if (found->second.use_count() > 1) return false;
    files_.erase(found);
    return true;
}

}  // namespace queue::segment_log
