#include "queue/segment_log/disk/hint_file.h"

#include <utility>

#include "mta/base/limits.h"
#include "queue/bytes.h"
#include "queue/segment_log/format/crc32c.h"

namespace queue::segment_log {
namespace {

constexpr const char* path = "hints";
constexpr const char* new_path = "hints.new";
constexpr std::size_t checksum_bytes = sizeof(std::uint32_t);
// A hint has an error's text, which is cut to what is kept of a reply, and its key: twice that is
// ample.
constexpr std::size_t file_bytes_max = mta::limits::hints_max * 8192;

}  // namespace

HintFile::~HintFile() {
    if (writer_.joinable()) writer_.join();
}

std::string HintFile::read() {
    const auto file = disk_.open(path);
    if (!file) return {};
    auto bytes = (*file)->read(0, file_bytes_max);
    if (!bytes || bytes->size() < checksum_bytes) return {};
    const auto end = bytes->size() - checksum_bytes;
    const auto checksum = get_at<std::uint32_t>(*bytes, end);
    bytes->resize(end);
    return crc32c(*bytes) == checksum ? std::move(*bytes) : std::string{};
}

void HintFile::keep(std::string bytes) {
    put(bytes, crc32c(bytes));
    {
        const mta::MutexLock lock(mutex_);
        next_ = std::move(bytes);
        if (std::exchange(is_writing_, true)) return;
        problem_.clear();
    }
    if (writer_.joinable()) writer_.join();
    writer_ = std::thread([this] { write_all(); });
}

std::string HintFile::problem() const {
    const mta::MutexLock lock(mutex_);
    return is_writing_ ? std::string{} : problem_;
}

void HintFile::write_all() {
    while (const auto bytes = next_or_end()) {
        const auto written = replace(*bytes);
        const mta::MutexLock lock(mutex_);
        problem_ = written ? std::string{} : written.error().text;
    }
}

std::optional<std::string> HintFile::next_or_end() {
    const mta::MutexLock lock(mutex_);
    is_writing_ = next_.has_value();
    return std::exchange(next_, std::nullopt);
}

DiskResult<void> HintFile::replace(std::string_view bytes) {
    // A process that was stopped while it wrote may have left it behind.
    [[maybe_unused]] const auto removed = disk_.remove(new_path);
    auto file = disk_.create(new_path);
    if (!file) return std::unexpected(std::move(file).error());
    if (auto done = (*file)->write(0, bytes); !done) return done;
    return disk_.rename(new_path, path);
}

}  // namespace queue::segment_log
