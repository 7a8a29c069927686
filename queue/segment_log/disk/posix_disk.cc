#include "queue/segment_log/disk/posix_disk.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "mta/base/assert.h"

namespace queue::segment_log {
namespace {

// The user's name, or the number of a user without a name.
std::string name_of(uid_t user) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return "user " + std::to_string(user);
}

// Says whose file it is that this user may not touch, and what to do.
std::string denial_words(const std::string& path) {
    const auto user = ::geteuid();
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0 || status.st_uid == user) return {};
    return ". It belongs to " + name_of(status.st_uid) + ", and this is " + name_of(user) +
           ": chown " + name_of(user) + " " + path;
}

std::unexpected<DiskError> failed(int code, const std::string& what, const std::string& path) {
    auto text = "cannot " + what + " " + path + ": " + std::generic_category().message(code);
    if (code == EACCES || code == EPERM) text += denial_words(path);
    return std::unexpected(DiskError{code, std::move(text)});
}

// Says what it is that has a file's name and is no file. Empty for a regular file.
std::string strange_kind(mode_t mode) {
    if (S_ISREG(mode)) return {};
    if (S_ISDIR(mode)) return "folder";
    if (S_ISLNK(mode)) return "symbolic link";
    if (S_ISFIFO(mode)) return "FIFO";
    return S_ISSOCK(mode) ? "socket" : "device";
}

std::unexpected<DiskError> not_regular(const std::string& kind, const std::string& path) {
    return std::unexpected(
        DiskError{EINVAL, "cannot open " + path + ": it is a " + kind + " and no regular file"});
}

bool is_out_of_descriptors(int code) { return code == EMFILE || code == ENFILE; }

// Owns a descriptor, which comes from the reserve if need be and goes to the reserve if that is
// short.
class Descriptor {
public:
    Descriptor(DescriptorReserve& reserve, const std::string& path, int flags)
        : reserve_(reserve), fd_(::open(path.c_str(), flags, 0600)) {
        // Another thread may be faster to use the descriptor that was given back.
        while (fd_ < 0 && is_out_of_descriptors(errno)) {
            const int code = errno;
            if (!reserve_.give_back()) {
                errno = code;
                break;
            }
            fd_ = ::open(path.c_str(), flags, 0600);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&& other) noexcept
        : reserve_(other.reserve_), fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (fd_ >= 0 && !reserve_.take_over(fd_)) ::close(fd_);
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    DescriptorReserve& reserve_;
    int fd_;
};

// Never waits, and follows no symbolic link: the spool's files are regular files in its own
// folders, whatever else may have their names. (The folders themselves may be links.)
DiskResult<Descriptor> open_regular(DescriptorReserve& reserve, const std::string& path,
                                    int flags) {
    const bool is_new = (flags & O_EXCL) != 0;
    Descriptor fd(reserve, path, flags | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    const int code = errno;
    struct stat status{};
    if (fd.get() < 0) {
        const bool is_there = !is_new && ::lstat(path.c_str(), &status) == 0;
        if (auto kind = is_there ? strange_kind(status.st_mode) : std::string(); !kind.empty())
            return not_regular(kind, path);
        return failed(code, is_new ? "create" : "open", path);
    }
    if (::fstat(fd.get(), &status) != 0) return failed(errno, "look at", path);
    if (const auto kind = strange_kind(status.st_mode); !kind.empty())
        return not_regular(kind, path);
    return fd;
}

// After a failed sync it is unknown what is on the medium, so no such error is a temporary one.
std::unexpected<DiskError> sync_failed(int code, const std::string& what, const std::string& path) {
    auto error = failed(code, what, path);
    if (error.error().is_temporary()) error.error().code = EIO;
    return error;
}

// Only measures; nothing is decided by it.
std::uint64_t stopwatch_microseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

class PosixFile final : public DiskFile {
public:
    PosixFile(Descriptor fd, std::string path, std::shared_ptr<PosixDisk::SyncTimes> sync_times,
              std::shared_ptr<DescriptorReserve> reserve)
        : reserve_(std::move(reserve)),
          fd_(std::move(fd)),
          path_(std::move(path)),
          sync_times_(std::move(sync_times)) {}

    DiskResult<void> write(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const auto done =
                ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (done < 0 && errno == EINTR) continue;
            if (done < 0) return failed(errno, "write", path_);
            // A write of no bytes would repeat for ever. No file system that holds mail does that.
            if (done == 0) return failed(EIO, "write", path_);
            bytes.remove_prefix(static_cast<std::size_t>(done));
            offset += static_cast<std::uint64_t>(done);
        }
        return {};
    }

    DiskResult<std::string> read(std::uint64_t offset, std::size_t length) override {
        std::string bytes;
        int code = 0;
        // Does not fill the buffer with zeros first, since a body is read 256 KiB at a time.
        bytes.resize_and_overwrite(length, [&](char* to, std::size_t) {
            std::size_t filled = 0;
            while (filled < length) {
                const auto done = ::pread(fd_.get(), to + filled, length - filled,
                                          static_cast<off_t>(offset + filled));
                if (done < 0 && errno == EINTR) continue;
                if (done < 0) code = errno;
                if (done <= 0) break;
                filled += static_cast<std::size_t>(done);
            }
            return filled;
        });
        if (code != 0) return failed(code, "read", path_);
        return bytes;
    }

    DiskResult<void> sync() override {
        const auto begin = stopwatch_microseconds();
        // EINTR, too, leaves open what became of the pages, so there is no second call.
        if (::fdatasync(fd_.get()) != 0) return sync_failed(errno, "sync", path_);
        const auto took = stopwatch_microseconds() - begin;
        ++sync_times_->count;
        sync_times_->microseconds += took;
        auto longest = sync_times_->microseconds_max.load();
        while (took > longest &&
               !sync_times_->microseconds_max.compare_exchange_weak(longest, took)) {
        }
        return {};
    }

    void start_writing(std::uint64_t offset, std::uint64_t bytes) override {
        ::sync_file_range(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                          SYNC_FILE_RANGE_WRITE);
    }

    DiskResult<void> resize(std::uint64_t bytes) override {
        if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) {
            return failed(errno, "change the size of", path_);
        }
        return {};
    }

    DiskResult<std::uint64_t> size() override {
        struct stat status{};
        if (::fstat(fd_.get(), &status) != 0) return failed(errno, "look at", path_);
        return static_cast<std::uint64_t>(status.st_size);
    }

private:
    std::shared_ptr<DescriptorReserve> reserve_;  // before what goes back to it
    Descriptor fd_;
    std::string path_;
    std::shared_ptr<PosixDisk::SyncTimes> sync_times_;
};

class PosixLock final : public Disk::Lock {
public:
    PosixLock(Descriptor fd, std::shared_ptr<DescriptorReserve> reserve)
        : reserve_(std::move(reserve)), fd_(std::move(fd)) {}

private:
    std::shared_ptr<DescriptorReserve> reserve_;
    Descriptor fd_;
};

}  // namespace

bool DiskError::is_no_space() const { return code == ENOSPC || code == EDQUOT; }
bool DiskError::is_not_found() const { return code == ENOENT; }
bool DiskError::is_busy() const { return code == EWOULDBLOCK; }
bool DiskError::is_denied() const { return code == EACCES || code == EPERM || code == EROFS; }
bool DiskError::is_temporary() const {
    return code == EMFILE || code == ENFILE || code == ENOMEM || code == EAGAIN || code == EINTR;
}

// ---- The reserve ----

void DescriptorReserve::fill() {
    const mta::MutexLock lock(mutex_);
    if (null_ < 0) null_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (null_ >= 0 && held_.size() < held_max) {
        const int fd = ::fcntl(null_, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) return;
        held_.push_back(fd);
    }
}

bool DescriptorReserve::give_back() {
    const mta::MutexLock lock(mutex_);
    if (held_.empty()) return false;
    ::close(held_.back());
    held_.pop_back();
    return true;
}

// The descriptor is not closed and opened again, since another thread could take it in between.
bool DescriptorReserve::take_over(int fd) {
    const mta::MutexLock lock(mutex_);
    if (null_ < 0 || held_.size() >= held_max) return false;
    if (::dup3(null_, fd, O_CLOEXEC) < 0) return false;
    held_.push_back(fd);
    return true;
}

DescriptorReserve::~DescriptorReserve() {
    for (const int fd : held_) ::close(fd);
    if (null_ >= 0) ::close(null_);
}

std::size_t DescriptorReserve::held() const {
    const mta::MutexLock lock(mutex_);
    return held_.size();
}

std::string PosixDisk::full(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
}

DiskResult<std::unique_ptr<DiskFile>> PosixDisk::open_with(const std::string& path, int flags) {
    const int mode = access_ == Access::read_only ? O_RDONLY : O_RDWR;
    auto fd = open_regular(*reserve_, full(path), flags | mode);
    if (!fd) return std::unexpected(std::move(fd).error());
    return std::make_unique<PosixFile>(std::move(*fd), full(path), sync_times_, reserve_);
}

DiskResult<std::unique_ptr<DiskFile>> PosixDisk::create(const std::string& path) {
    MTA_ASSERT(access_ == Access::read_write);
    return open_with(path, O_CREAT | O_EXCL);
}

DiskResult<std::unique_ptr<DiskFile>> PosixDisk::open(const std::string& path) {
    return open_with(path, 0);
}

DiskResult<void> PosixDisk::rename(const std::string& from, const std::string& to) {
    if (::rename(full(from).c_str(), full(to).c_str()) != 0) {
        return failed(errno, "rename " + full(from) + " to", full(to));
    }
    return {};
}

DiskResult<void> PosixDisk::remove(const std::string& path) {
    if (::unlink(full(path).c_str()) != 0) return failed(errno, "remove", full(path));
    return {};
}

DiskResult<std::vector<std::string>> PosixDisk::list(const std::string& directory) {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(full(directory), error);
    while (is_out_of_descriptors(error.value()) && reserve_->give_back()) {
        entry = std::filesystem::directory_iterator(full(directory), error);
    }
    for (const std::filesystem::directory_iterator end; !error && entry != end;
         entry.increment(error)) {
        names.push_back(entry->path().filename().string());
    }
    if (error) return failed(error.value(), "list", full(directory));
    std::ranges::sort(names);
    return names;
}

DiskResult<void> PosixDisk::make_directory(const std::string& directory) {
    const auto path = full(directory);
    for (auto slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const auto part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
            return failed(errno, "create the folder", part);
        }
        if (slash == path.npos) break;
    }
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return failed(errno, "look at", path);
    if (!S_ISDIR(status.st_mode)) return failed(ENOTDIR, "use", path);
    return {};
}

DiskResult<void> PosixDisk::sync_directory(const std::string& directory) {
    const Descriptor fd(*reserve_, full(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd.get() < 0) return failed(errno, "open the folder", full(directory));
    if (::fsync(fd.get()) != 0) return sync_failed(errno, "sync the folder", full(directory));
    return {};
}

DiskResult<DiskSpace> PosixDisk::space() {
    struct statvfs status{};
    if (::statvfs(root_.c_str(), &status) != 0) {
        return failed(errno, "learn the free space of", root_);
    }
    return DiskSpace{.free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize,
                     .total_bytes = std::uint64_t{status.f_blocks} * status.f_frsize,
                     .free_files = status.f_favail,
                     .total_files = status.f_files};
}

DiskResult<std::unique_ptr<Disk::Lock>> PosixDisk::lock(const std::string& path) {
    auto opened = open_regular(*reserve_, full(path), O_RDWR | O_CREAT);
    if (!opened) return std::unexpected(std::move(opened).error());
    auto& fd = *opened;
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return failed(errno, "lock", full(path));
    // For the administrator only: a failure does not matter.
    const auto owner = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) == 0) {
        [[maybe_unused]] const auto written = ::pwrite(fd.get(), owner.data(), owner.size(), 0);
    }
    reserve_->fill();
    return std::make_unique<PosixLock>(std::move(fd), reserve_);
}

std::optional<std::string> PosixDisk::foreign_owner() const {
    struct stat status{};
    if (::stat(root_.c_str(), &status) != 0 || status.st_uid == ::geteuid()) return std::nullopt;
    return name_of(status.st_uid);
}

std::string foreign_owner_words(const PosixDisk& disk, const std::string& owner,
                                const std::string& command) {
    return "the spool " + disk.root() + " belongs to " + owner + ", and this is " +
           name_of(::geteuid()) + ", whose files " + owner + " could not open: run it as " + owner +
           " (runuser -u " + owner + " -- posthouse " + command + " ...)";
}

std::uint64_t system_random() {
    std::uint64_t value = 0;
    while (::getrandom(&value, sizeof value, 0) < 0) MTA_ASSERT(errno == EINTR);
    return value;
}

}  // namespace queue::segment_log
