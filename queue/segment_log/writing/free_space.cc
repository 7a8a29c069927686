#include "queue/segment_log/writing/free_space.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "mta/base/time_format.h"
#include "queue/segment_log/format/payload.h"

namespace queue::segment_log {
namespace {

// With less than this, the room for a batch is taken before the batch is made. It is more than what
// is written between two looks at the free space.
constexpr std::uint64_t low_room_bytes = 64u << 20;
// For the newest state and the end of a queued message with one recipient. It is about twice what
// they take, since older states are still on the disk when newer ones are written.
constexpr std::uint64_t outcome_bytes = 512;
// A disk holds at least so many segments, unless they would become smaller than the minimum.
constexpr std::uint64_t segments_per_disk_min = 32;
constexpr std::uint64_t fitted_bytes_min = 64u << 10;

}  // namespace

FreeSpace::FreeSpace(Disk& disk, const LogOptions& options, const Index& index,
                     LogCondition& condition)
    : disk_(disk),
      options_(options),
      index_(index),
      condition_(condition),
      free_percent_min_(options.free_percent_min),
      free_bytes_min_(options.free_bytes_min) {}

void FreeSpace::set_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min) {
    free_percent_min_ = free_percent_min;
    free_bytes_min_ = free_bytes_min;
}

void FreeSpace::look() {
    const auto space = disk_.space();
    std::optional<StoreError> refusal;
    free_bytes_ = space ? space->free_bytes : ~std::uint64_t{0};
    kept_bytes_ = space ? bytes_to_keep(*space) : 0;
    if (space) {
        const auto limit =
            std::max(free_bytes_min_.load(), space->total_bytes / 100 * free_percent_min_);
        if (space->free_bytes < limit) {
            refusal = {StoreError::Kind::no_space,
                       "the disk of the spool " + disk_.root() + " has only " +
                           mta::format_size(space->free_bytes) + " left, and the limit is " +
                           mta::format_size(limit) +
                           ": new mail is refused for now; make room there, or lower "
                           "[spool] free_percent and free_space"};
        } else if (space->total_files > 0 && space->free_files < options_.free_files_min) {
            refusal = {StoreError::Kind::no_space,
                       "the disk of the spool " + disk_.root() + " has only " +
                           std::to_string(space->free_files) + " inodes left, and the limit is " +
                           std::to_string(options_.free_files_min) +
                           ": new mail is refused for now; remove small files there"};
        }
    }
    if (!refusal) return condition_.clear(LogCondition::Trouble::low_space);
    condition_.set(LogCondition::Trouble::low_space, std::move(*refusal));
}

// Keeps a segment of the hot stream for outcomes, one of the cold stream for the copies that let
// other segments go, and room for the outcomes of each message. On a disk that small messages fill,
// mail still gets half.
std::uint64_t FreeSpace::bytes_to_keep(const DiskSpace& space) const {
    const auto wanted = stream_count * options_.segment_bytes + outcome_bytes * index_.size();
    return std::min(wanted, space.total_bytes / 2);
}

bool FreeSpace::has_room_for_mail(std::uint64_t bytes) const {
    return free_bytes_ >= bytes + kept_bytes_;
}

bool FreeSpace::is_short() const { return is_full() || free_bytes_ < low_room_bytes + kept_bytes_; }

// One segment above the room that is kept, which is also where mail is accepted again.
bool FreeSpace::is_scarce() const {
    return is_full() || free_bytes_ < kept_bytes_ + options_.segment_bytes;
}

LogOptions fit_to_disk(LogOptions options, Disk& disk) {
    const auto space = disk.space();
    if (!space) return options;
    const auto share = std::max(fitted_bytes_min, space->total_bytes / segments_per_disk_min);
    options.segment_bytes = std::min(options.segment_bytes, share);
    return options;
}

}  // namespace queue::segment_log
