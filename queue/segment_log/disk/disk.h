#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace queue::segment_log {

// A call to the operating system that failed. `text` is a sentence for the log: what was tried on
// which path, and why it failed ("cannot write /var/lib/posthouse/seg/01.log: Input/output error").
struct DiskError {
    int code = 0;  // errno
    std::string text;

    [[nodiscard]] bool is_no_space() const;  // ENOSPC, EDQUOT
    [[nodiscard]] bool is_not_found() const;
    [[nodiscard]] bool is_busy() const;    // lock(): another process holds it
    [[nodiscard]] bool is_denied() const;  // this user may not: EACCES, EPERM, EROFS
    // Not now: file descriptors or memory are missing (EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR).
    // Nothing is wrong with the disk; the same call may succeed later. Never the error of a sync.
    [[nodiscard]] bool is_temporary() const;
};

template <class T>
using DiskResult = std::expected<T, DiskError>;

// An open file. Closed by its destruction, which promises nothing about what was not synced.
// write, resize and sync come from one thread at a time; read may come from others at any moment.
class DiskFile {
public:
    DiskFile() = default;
    DiskFile(const DiskFile&) = delete;
    DiskFile& operator=(const DiskFile&) = delete;
    virtual ~DiskFile() = default;

    // All of `bytes` at `offset`, extending the file where needed. After an error any part of them
    // may have been written.
    virtual DiskResult<void> write(std::uint64_t offset, std::string_view bytes) = 0;
    // Up to `length` bytes; fewer only where the file ends.
    virtual DiskResult<std::string> read(std::uint64_t offset, std::size_t length) = 0;
    // Everything written and the size are on the medium (fdatasync). An error means that it is
    // not known what is there, and the result of a second call would be wrong: never retry.
    virtual DiskResult<void> sync() = 0;
    // Starts writing out a range without waiting, so that a later sync has less to do. A hint.
    virtual void start_writing(std::uint64_t offset, std::uint64_t bytes) = 0;
    // Cuts off or extends with zeros.
    virtual DiskResult<void> resize(std::uint64_t bytes) = 0;
    virtual DiskResult<std::uint64_t> size() = 0;
};

struct DiskSpace {
    std::uint64_t free_bytes = 0;  // for this user
    std::uint64_t total_bytes = 0;
    std::uint64_t free_files = 0;   // inodes
    std::uint64_t total_files = 0;  // 0: the file system does not count them
};

// The folder of one spool, and the only way from the log to the operating system: a port, so that
// tests can cut the power.
//
// Paths are relative to the spool's folder ("seg/0000000000000001.log"; "" is the folder itself). A
// new name, a rename and a removal are certain only after sync_directory() of the folders that they
// touch. Any thread may call at any time.
class Disk {
public:
    // Held until destruction or the end of the process.
    class Lock {
    public:
        Lock() = default;
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        virtual ~Lock() = default;
    };

    Disk() = default;
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    virtual ~Disk() = default;

    // The spool's folder as the configuration names it, for messages.
    [[nodiscard]] virtual const std::string& root() const = 0;

    // Fails (EEXIST) if the name is taken.
    virtual DiskResult<std::unique_ptr<DiskFile>> create(const std::string& path) = 0;
    // For reading and writing. Only a regular file: anything else of that name, such as a symbolic
    // link or a FIFO, is an error, and is never waited for.
    virtual DiskResult<std::unique_ptr<DiskFile>> open(const std::string& path) = 0;
    // Replaces `to` in one step.
    virtual DiskResult<void> rename(const std::string& from, const std::string& to) = 0;
    virtual DiskResult<void> remove(const std::string& path) = 0;
    // Names only, sorted, without "." and "..".
    virtual DiskResult<std::vector<std::string>> list(const std::string& directory) = 0;
    // With its parents. Succeeds if it exists.
    virtual DiskResult<void> make_directory(const std::string& directory) = 0;
    virtual DiskResult<void> sync_directory(const std::string& directory) = 0;
    virtual DiskResult<DiskSpace> space() = 0;
    // Does not wait: is_busy() if another process (or another Disk) holds it.
    virtual DiskResult<std::unique_ptr<Lock>> lock(const std::string& path) = 0;
};

}  // namespace queue::segment_log
