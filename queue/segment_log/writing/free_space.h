#pragma once
#include <atomic>
#include <cstdint>

#include "queue/segment_log/disk/disk.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/log_options.h"
#include "queue/segment_log/writing/log_condition.h"

namespace queue::segment_log {

// How much of the spool's disk is free, and how much of that is kept free of mail so that the
// outcomes of queued mail find room. Sets LogCondition's `low_space`. Any thread may call it; its
// answers are those of the last look().
class FreeSpace {
public:
    // All must outlive it.
    FreeSpace(Disk& disk, const LogOptions& options, const Index& index, LogCondition& condition);

    void look();
    // As in LogOptions. Takes effect with the next look().
    void set_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min);

    // Whether so much is free beside what is kept.
    [[nodiscard]] bool has_room_for_mail(std::uint64_t bytes) const;
    // Whether the room for a batch must be taken before the batch is made.
    [[nodiscard]] bool is_short() const;
    // Whether the log must save room: it writes nothing ahead, keeps no segments for use again, and
    // compacts to gain room.
    [[nodiscard]] bool is_scarce() const;
    // What is left for copies; 0 if room is not scarce.
    [[nodiscard]] std::uint64_t scarce_bytes() const {
        return is_scarce() ? free_bytes_.load() : 0;
    }

private:
    [[nodiscard]] std::uint64_t bytes_to_keep(const DiskSpace& space) const;
    [[nodiscard]] bool is_full() const { return condition_.has(LogCondition::Trouble::full); }

    Disk& disk_;
    const LogOptions& options_;
    const Index& index_;
    LogCondition& condition_;
    std::atomic<std::uint32_t> free_percent_min_;
    std::atomic<std::uint64_t> free_bytes_min_;
    std::atomic<std::uint64_t> free_bytes_ = ~std::uint64_t{0};
    std::atomic<std::uint64_t> kept_bytes_ = 0;
};

// Makes segments smaller on a small disk, because the room that is kept free is counted in them.
[[nodiscard]] LogOptions fit_to_disk(LogOptions options, Disk& disk);

}  // namespace queue::segment_log
