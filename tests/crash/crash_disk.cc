// crash_disk IMAGE LOG MOUNT_POINT [FLUSH_MICROSECONDS]
//
// A file system of two files, for the power-cut simulator (tests/crash/README.md). `disk` is a disk
// image, to be put behind a loop device; `mark` is a notebook. Everything that reaches them is
// written to LOG in order of arrival, so that a reader of LOG can work out what a disk may hold
// after a power cut at any moment:
//
//   WRITE        bytes that were written to the disk; without a flush after it they may be lost
//   FLUSH_BEGIN  the disk was asked to make certain what was written so far
//   FLUSH_DONE   it answered that this is done
//   MARK         a line that was written to `mark`: what the outside world knows by now
//
// A record is 24 bytes, little endian, and its data:
//   u8 type | 3 zeros | u32 bytes of data | u64 offset (WRITE) | u64 CLOCK_MONOTONIC in ns | data
//
// Runs in the foreground and says "ready" when it is mounted; ends when it is unmounted or gets
// SIGTERM.
#define FUSE_USE_VERSION 312

#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <thread>

#include "mta/base/mutex.h"

namespace {

enum class RecordType : std::uint8_t { write = 1, flush_begin = 2, flush_done = 3, mark = 4 };

struct RecordHead {
    RecordType type{};
    std::array<std::uint8_t, 3> zeros{};
    std::uint32_t bytes = 0;
    std::uint64_t offset = 0;
    std::uint64_t time_ns = 0;
};
static_assert(sizeof(RecordHead) == 24);

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(EXIT_FAILURE);
}

class CrashDisk {
public:
    CrashDisk(const char* image_path, const char* log_path, std::chrono::microseconds flush_time)
        : flush_time_(flush_time) {
        const int image = ::open(image_path, O_RDWR | O_CLOEXEC);
        struct stat status{};
        if (image < 0 || ::fstat(image, &status) != 0) die(image_path);
        bytes_ = static_cast<std::size_t>(status.st_size);
        void* mapped = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, image, 0);
        if (mapped == MAP_FAILED) die(image_path);
        content_ = static_cast<char*>(mapped);
        ::close(image);
        log_ = ::open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (log_ < 0) die(log_path);
    }
    CrashDisk(const CrashDisk&) = delete;
    CrashDisk& operator=(const CrashDisk&) = delete;
    ~CrashDisk() {
        ::munmap(content_, bytes_);
        ::close(log_);
    }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    [[nodiscard]] std::string_view read(std::uint64_t offset, std::size_t length) const {
        const auto begin = std::min<std::uint64_t>(offset, bytes_);
        return {content_ + begin, std::min<std::size_t>(length, bytes_ - begin)};
    }
    [[nodiscard]] bool write(std::uint64_t offset, std::string_view data) {
        if (offset > bytes_ || data.size() > bytes_ - offset) return false;
        const mta::MutexLock lock(mutex_);
        std::memcpy(content_ + offset, data.data(), data.size());
        append(RecordType::write, offset, data);
        return true;
    }
    void mark(std::string_view line) {
        const mta::MutexLock lock(mutex_);
        append(RecordType::mark, 0, line);
    }
    // Takes its time, as disks do: what is written meanwhile is not covered by it.
    void flush() {
        {
            const mta::MutexLock lock(mutex_);
            append(RecordType::flush_begin, 0, {});
        }
        if (flush_time_.count() > 0) {
            const timespec pause{.tv_sec = 0, .tv_nsec = flush_time_.count() * 1000};
            ::nanosleep(&pause, nullptr);
        }
        const mta::MutexLock lock(mutex_);
        append(RecordType::flush_done, 0, {});
    }

private:
    void append(RecordType type, std::uint64_t offset, std::string_view data) REQUIRES(mutex_) {
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        RecordHead head{.type = type,
                        .bytes = static_cast<std::uint32_t>(data.size()),
                        .offset = offset,
                        .time_ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                                   static_cast<std::uint64_t>(now.tv_nsec)};
        std::array<iovec, 2> parts{iovec{&head, sizeof head},
                                   iovec{const_cast<char*>(data.data()), data.size()}};
        const auto whole = sizeof head + data.size();
        // A log with a hole would prove nothing.
        if (::writev(log_, parts.data(), parts.size()) != static_cast<ssize_t>(whole)) die("log");
    }

    std::chrono::microseconds flush_time_;
    char* content_ = nullptr;
    std::size_t bytes_ = 0;
    mta::Mutex mutex_;
    int log_ GUARDED_BY(mutex_) = -1;
};

constexpr fuse_ino_t disk_inode = 2;
constexpr fuse_ino_t mark_inode = 3;

CrashDisk& disk_of(fuse_req_t request) {
    return *static_cast<CrashDisk*>(fuse_req_userdata(request));
}

struct stat attributes(const CrashDisk& disk, fuse_ino_t inode) {
    struct stat status{};
    status.st_ino = inode;
    status.st_nlink = 1;
    status.st_mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0700 : S_IFREG | 0600;
    if (inode == disk_inode) status.st_size = static_cast<off_t>(disk.bytes());
    return status;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const std::string_view wanted(name);
    fuse_entry_param entry{};
    if (parent == FUSE_ROOT_ID && wanted == "disk") entry.ino = disk_inode;
    if (parent == FUSE_ROOT_ID && wanted == "mark") entry.ino = mark_inode;
    if (entry.ino == 0) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    entry.attr = attributes(disk_of(request), entry.ino);
    fuse_reply_entry(request, &entry);
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
    const auto status = attributes(disk_of(request), inode);
    fuse_reply_attr(request, &status, 1.0);
}

// Nothing to set; who opens `mark` to append or to truncate need not know.
void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat* /*wanted*/, int /*which*/,
                fuse_file_info* file) {
    on_getattr(request, inode, file);
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
    file->direct_io = inode == mark_inode ? 1 : 0;  // one write, one mark
    fuse_reply_open(request, file);
}

void on_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
             fuse_file_info* /*file*/) {
    if (inode != disk_inode) {
        fuse_reply_buf(request, nullptr, 0);
        return;
    }
    const auto data = disk_of(request).read(static_cast<std::uint64_t>(offset), size);
    fuse_reply_buf(request, data.data(), data.size());
}

void on_write(fuse_req_t request, fuse_ino_t inode, const char* bytes, std::size_t size,
              off_t offset, fuse_file_info* /*file*/) {
    auto& disk = disk_of(request);
    const std::string_view data(bytes, size);
    if (inode == mark_inode) {
        disk.mark(data);
    } else if (!disk.write(static_cast<std::uint64_t>(offset), data)) {
        fuse_reply_err(request, ENOSPC);
        return;
    }
    fuse_reply_write(request, size);
}

void on_fsync(fuse_req_t request, fuse_ino_t inode, int /*data_only*/, fuse_file_info* /*file*/) {
    if (inode == disk_inode) disk_of(request).flush();
    fuse_reply_err(request, 0);
}

int serve(CrashDisk& disk, char* program, const char* mount_point) {
    fuse_lowlevel_ops operations{};
    operations.lookup = on_lookup;
    operations.getattr = on_getattr;
    operations.setattr = on_setattr;
    operations.open = on_open;
    operations.read = on_read;
    operations.write = on_write;
    operations.fsync = on_fsync;
    std::array<char*, 2> arguments{program, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, arguments.data());
    const std::unique_ptr<fuse_session, void (*)(fuse_session*)> session(
        fuse_session_new(&args, &operations, sizeof operations, &disk), fuse_session_destroy);
    if (!session || fuse_set_signal_handlers(session.get()) != 0) return EXIT_FAILURE;
    if (fuse_session_mount(session.get(), mount_point) != 0) return EXIT_FAILURE;
    std::puts("ready");
    std::fflush(stdout);
    // Several threads: a mark need not wait for a flush.
    const std::unique_ptr<fuse_loop_config, void (*)(fuse_loop_config*)> config(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    const int status = fuse_session_loop_mt(session.get(), config.get());
    fuse_session_unmount(session.get());
    fuse_remove_signal_handlers(session.get());
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
    const std::span arguments(argv, static_cast<std::size_t>(argc));
    if (argc < 4 || argc > 5) {
        std::fputs("usage: crash_disk IMAGE LOG MOUNT_POINT [FLUSH_MICROSECONDS]\n", stderr);
        return 2;
    }
    const long flush_us = argc == 5 ? std::strtol(arguments[4], nullptr, 10) : 0;
    CrashDisk disk(arguments[1], arguments[2],
                   std::chrono::microseconds(std::clamp(flush_us, 0L, 999'999L)));
    return serve(disk, arguments[0], arguments[3]);
}
