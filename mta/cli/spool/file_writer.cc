#include "mta/cli/spool/file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace mta::cli {
namespace {

std::unexpected<std::string> failed(const std::string& what, const std::string& path) {
    return std::unexpected("cannot " + what + ' ' + path + ": " +
                           std::system_category().message(errno));
}

}  // namespace

std::expected<FileWriter, std::string> FileWriter::create(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        return std::unexpected(path + " is there already and is left as it is");
    }
    if (fd < 0) return failed("create", path);
    return FileWriter(path, fd);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), is_kept_(other.is_kept_) {}

FileWriter::~FileWriter() {
    if (fd_ < 0) return;
    ::close(fd_);
    if (!is_kept_) ::unlink(path_.c_str());
}

std::expected<void, std::string> FileWriter::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto done = ::write(fd_, bytes.data(), bytes.size());
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return failed("write", path_);
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    return {};
}

bool sync_file_system(const std::string& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool is_done = ::syncfs(fd) == 0;
    ::close(fd);
    return is_done;
}

}  // namespace mta::cli
