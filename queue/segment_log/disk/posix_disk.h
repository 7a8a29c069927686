#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/mutex.h"
#include "queue/segment_log/disk/disk.h"

namespace queue::segment_log {

// Descriptors that the spool holds in reserve, so that it can open its next segment when a crowd of
// connections has taken all others. Any thread may call it.
class DescriptorReserve {
public:
    // A new segment takes one for its file and one for its folder, a digest two, each reader one.
    static constexpr std::size_t held_max = 16;

    DescriptorReserve() = default;
    DescriptorReserve(const DescriptorReserve&) = delete;
    DescriptorReserve& operator=(const DescriptorReserve&) = delete;
    ~DescriptorReserve();

    // Takes up to held_max descriptors; from now on the reserve is kept at that.
    void fill();
    // Closes one, for a caller that is about to open a file. Returns false if none is left.
    bool give_back();
    // Takes `fd` if the reserve is short, and returns true; otherwise the caller closes it.
    bool take_over(int fd);
    [[nodiscard]] std::size_t held() const;

private:
    mutable mta::Mutex mutex_;
    // The descriptor that the held ones duplicate; -1 before fill().
    int null_ GUARDED_BY(mutex_) = -1;
    std::vector<int> held_ GUARDED_BY(mutex_);
};

// A folder of a real file system. Files are made with mode 0600, folders with 0700: mail is
// private. Taking the lock fills the reserve of descriptors.
class PosixDisk final : public Disk {
public:
    enum class Access : std::uint8_t {
        read_write,
        read_only,  // open() is for reading, so the right to read is enough
    };
    // What syncs of files have cost so far. Grows on the threads that sync; may be read on any.
    struct SyncTimes {
        std::atomic<std::uint64_t> count = 0;
        std::atomic<std::uint64_t> microseconds = 0;
        std::atomic<std::uint64_t> microseconds_max = 0;  // the longest one
    };
    [[nodiscard]] const SyncTimes& sync_times() const { return *sync_times_; }
    [[nodiscard]] const DescriptorReserve& reserve() const { return *reserve_; }

    // The owner of the folder, if that is not the user that runs the process: the owner could not
    // open what this process writes there. Empty if it is, or if the folder does not exist yet.
    [[nodiscard]] std::optional<std::string> foreign_owner() const;

    // Touches nothing; `root` need not exist yet.
    explicit PosixDisk(std::string root, Access access = Access::read_write)
        : root_(std::move(root)), access_(access) {}

    [[nodiscard]] const std::string& root() const override { return root_; }
    DiskResult<std::unique_ptr<DiskFile>> create(const std::string& path) override;
    DiskResult<std::unique_ptr<DiskFile>> open(const std::string& path) override;
    DiskResult<void> rename(const std::string& from, const std::string& to) override;
    DiskResult<void> remove(const std::string& path) override;
    DiskResult<std::vector<std::string>> list(const std::string& directory) override;
    DiskResult<void> make_directory(const std::string& directory) override;
    DiskResult<void> sync_directory(const std::string& directory) override;
    DiskResult<DiskSpace> space() override;
    // flock(2). The file contains the owner's process id, for the administrator.
    DiskResult<std::unique_ptr<Lock>> lock(const std::string& path) override;

private:
    [[nodiscard]] std::string full(const std::string& path) const;
    DiskResult<std::unique_ptr<DiskFile>> open_with(const std::string& path, int flags);

    std::string root_;
    Access access_;
    std::shared_ptr<DescriptorReserve> reserve_ = std::make_shared<DescriptorReserve>();
    std::shared_ptr<SyncTimes> sync_times_ = std::make_shared<SyncTimes>();  // shared with files
};

// A sentence that says what to do about it; `command`: what was called, such as "serve".
[[nodiscard]] std::string foreign_owner_words(const PosixDisk& disk, const std::string& owner,
                                              const std::string& command);
// From the system's random source; for LogOptions::random_seed.
[[nodiscard]] std::uint64_t system_random();

}  // namespace queue::segment_log
