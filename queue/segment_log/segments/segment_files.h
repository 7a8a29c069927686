#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/disk/open_files.h"
#include "queue/segment_log/format/record.h"

namespace queue::segment_log {

// A segment for reading. Any thread may read; the file is opened when it is read. While a
// shared_ptr to it exists, the segment is not recycled.
class SegmentFile {
public:
    SegmentFile(std::shared_ptr<OpenFiles> open_files, std::uint64_t number, Generation generation)
        : open_files_(std::move(open_files)), number_(number), generation_(generation) {}
    SegmentFile(const SegmentFile&) = delete;
    SegmentFile& operator=(const SegmentFile&) = delete;
    ~SegmentFile() { open_files_->close(number_); }

    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] Generation generation() const { return generation_; }
    DiskResult<std::string> read(std::uint64_t offset, std::size_t length);

private:
    const std::shared_ptr<OpenFiles> open_files_;
    const std::uint64_t number_;
    const Generation generation_;
};

// The segments that can be read, by number. Any thread may call any function.
class SegmentFiles {
public:
    // `disk` must outlive it.
    explicit SegmentFiles(Disk& disk) : open_files_(std::make_shared<OpenFiles>(disk)) {}
    SegmentFiles(const SegmentFiles&) = delete;
    SegmentFiles& operator=(const SegmentFiles&) = delete;
    ~SegmentFiles() = default;

    void add(std::uint64_t number, Generation generation);
    // Empty if there is no such segment, or no longer.
    [[nodiscard]] std::shared_ptr<SegmentFile> find(std::uint64_t number) const;
    // Returns false, and removes nothing, while a reader holds the segment.
    [[nodiscard]] bool remove_unless_read(std::uint64_t number);

private:
    const std::shared_ptr<OpenFiles> open_files_;
    mutable mta::Mutex mutex_;
    std::map<std::uint64_t, std::shared_ptr<SegmentFile>> files_ GUARDED_BY(mutex_);
};

}  // namespace queue::segment_log
