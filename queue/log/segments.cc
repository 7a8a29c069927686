#include "queue/log/segments.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace queue::log {
namespace {

// splitmix64's finisher: every bit of the result depends on every bit of `value`.
std::uint64_t mix(std::uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

}  // namespace

DiskResult<std::string> SegmentFile::read(std::uint64_t offset, std::size_t length) {
    DiskFile* file = nullptr;
    {
        const std::lock_guard guard(mutex_);
        if (!file_) {
            auto opened = disk_.open(segment_path(number_));
            if (!opened) return std::unexpected(std::move(opened).error());
            file_ = std::move(*opened);
        }
        file = file_.get();
    }
    return file->read(offset, length);
}

Segments::Segments(Disk& disk, const LogOptions& options, const Uuid& spool)
    : disk_(disk), options_(options), spool_(spool), rng_(options.random_seed) {}

Segments::~Segments() = default;

void Segments::adopt(std::uint64_t number, Generation generation, std::uint64_t end) {
    reserve_number(number);
    insert(number, generation, end);
    dead_.insert(number);
    is_recycling_due_ = true;
}

void Segments::reserve_number(std::uint64_t number) { number_ = std::max(number_, number); }

void Segments::set_previous(std::uint64_t number, std::uint64_t end) {
    previous_ = number;
    previous_end_ = end;
}

void Segments::insert(std::uint64_t number, Generation generation, std::uint64_t end) {
    uses_[number].end = end;
    bytes_ += end;
    ++count_;
    const std::lock_guard guard(files_mutex_);
    files_[number] = std::make_shared<SegmentFile>(disk_, number, generation);
}

// Cut at its end, a closed segment cannot be misread later: what does not check out before the
// file's end is damage, and nothing lies behind it.
DiskResult<void> Segments::seal() {
    if (filled_ > end_) {
        if (auto cut = file_->resize(end_); !cut) return cut;
        is_synced_ = false;
    }
    if (!is_synced_) {
        if (auto synced = file_->sync(); !synced) return synced;
        is_synced_ = true;
    }
    set_previous(number_, end_);
    if (uses_[number_].live_bytes == 0) dead_.insert(number_);
    is_recycling_due_ = true;
    file_.reset();
    return {};
}

DiskResult<Segments::Fresh> Segments::take_file(std::uint64_t number) {
    while (!free_paths_.empty()) {
        Fresh fresh{.file = nullptr, .path = free_paths_.back()};
        free_paths_.pop_back();
        auto file = disk_.open(fresh.path);
        if (!file) continue;
        fresh.file = std::move(*file);
        const auto size = fresh.file->size();
        if (!size) continue;
        fresh.bytes = *size;
        return fresh;
    }
    Fresh fresh{.file = nullptr, .path = "free/" + segment_file_name(number)};
    auto file = disk_.create(fresh.path);
    if (!file) return std::unexpected(std::move(file).error());
    fresh.file = std::move(*file);
    return fresh;
}

DiskResult<void> Segments::start_next(std::uint64_t first_lsn, std::uint64_t id_ceiling) {
    if (file_) {
        if (auto sealed = seal(); !sealed) return sealed;
    }
    const auto number = number_ + 1;
    // With the number in it the generation differs even where the seed does not.
    Generation generation{mix(rng_() + number)};
    if (generation.tag() == 0) generation.value |= 1ull << 32;
    const SegmentHeader header{.spool = spool_,
                               .number = number,
                               .generation = generation,
                               .first_lsn = first_lsn,
                               .id_ceiling = id_ceiling,
                               .previous = previous_,
                               .previous_end = previous_end_};
    auto fresh = take_file(number);
    if (!fresh) return std::unexpected(std::move(fresh).error());
    if (auto done = fresh->file->write(0, format_header(header)); !done) return done;
    if (auto done = fresh->file->sync(); !done) return done;
    if (auto done = disk_.rename(fresh->path, segment_path(number)); !done) return done;
    if (auto done = disk_.sync_directory("seg"); !done) return done;
    if (auto done = disk_.sync_directory("free"); !done) return done;
    file_ = std::move(fresh->file);
    number_ = number;
    generation_ = generation;
    end_ = segment_header_bytes;
    started_ = end_;
    filled_ = std::max<std::uint64_t>(fresh->bytes, end_);
    is_synced_ = true;
    insert(number, generation, end_);
    return {};
}

DiskResult<void> Segments::append(std::string& bytes) {
    const auto size = bytes.size();
    if (end_ + size > filled_) {
        // As far ahead as the segment is going to be, so that the cut at its end has little to do.
        const auto ahead =
            std::min(options_.zero_ahead_bytes,
                     options_.segment_bytes - std::min(options_.segment_bytes, end_ + size));
        bytes.append(ahead, '\0');
        filled_ = end_ + bytes.size();
    }
    is_synced_ = false;
    auto written = file_->write(end_, bytes);
    if (!written) return written;
    end_ += size;
    bytes_ += size;
    uses_[number_].end = end_;
    return {};
}

void Segments::start_writing() {
    file_->start_writing(started_, end_ - started_);
    started_ = end_;
}

DiskResult<void> Segments::sync() {
    auto synced = file_->sync();
    is_synced_ = synced.has_value();
    started_ = end_;
    return synced;
}

void Segments::add_live(std::uint64_t number, std::uint64_t bytes) {
    const auto use = uses_.find(number);
    MTA_ASSERT(use != uses_.end());
    use->second.live_bytes += bytes;
    live_bytes_ += bytes;
    dead_.erase(number);
}

void Segments::drop_live(std::uint64_t number, std::uint64_t bytes) {
    const auto use = uses_.find(number);
    MTA_ASSERT(use != uses_.end() && use->second.live_bytes >= bytes);
    use->second.live_bytes -= bytes;
    live_bytes_ -= bytes;
    if (use->second.live_bytes > 0) return;
    dead_.insert(number);
    is_recycling_due_ = true;
}

void Segments::carried() {
    to_carry_.clear();
    for (const auto number : dead_) {
        auto& use = uses_[number];
        if (std::exchange(use.is_carried, false)) use.dones.clear();
    }
    is_recycling_due_ = true;
}

std::size_t Segments::recycle() {
    std::size_t count = 0;
    if (!std::exchange(is_recycling_due_, false)) return count;
    // In the order of their numbers: a DONE never stands before its message, so one pass sees each
    // home go before it looks at the DONEs.
    for (auto at = dead_.begin(); at != dead_.end();) {
        const auto number = *at;
        auto& use = uses_[number];
        if (number == number_ || use.is_stuck || use.is_carried) {
            ++at;
            continue;
        }
        std::erase_if(use.dones, [&](const DoneMark& done) {
            return done.home == number || !uses_.contains(done.home);
        });
        if (!use.dones.empty() || !retire(number, use)) {
            examine(number, use);
            ++at;
            continue;
        }
        bytes_ -= use.end;
        --count_;
        ++count;
        uses_.erase(number);
        at = dead_.erase(at);
    }
    return count;
}

// Only DONEs are left in it: few enough to be written again?
void Segments::examine(std::uint64_t number, Use& use) {
    constexpr std::uint64_t done_record_bytes = 40;
    const auto carry_max = options_.batch_bytes_max / 8 / done_record_bytes;
    if (use.dones.empty() || number == number_) return;
    if (to_carry_.size() + use.dones.size() > std::max<std::uint64_t>(carry_max, 1)) {
        is_recycling_due_ = true;  // when the others have been carried
        return;
    }
    use.is_carried = true;
    to_carry_.insert(to_carry_.end(), use.dones.begin(), use.dones.end());
}

bool Segments::retire(std::uint64_t number, const Use& use) {
    {
        const std::lock_guard guard(files_mutex_);
        const auto file = files_.find(number);
        if (file->second.use_count() > 1) {
            is_recycling_due_ = true;  // somebody reads in it: later
            return false;
        }
        files_.erase(file);
    }
    if (!move_away(number, use)) {
        uses_[number].is_stuck = true;
        return false;
    }
    return true;
}

DiskResult<void> Segments::move_away(std::uint64_t number, const Use& use) {
    const bool is_worth_keeping = use.end >= options_.segment_bytes / 4 * 3 &&
                                  use.end <= options_.segment_bytes &&
                                  free_paths_.size() < options_.free_segments_max;
    if (!is_worth_keeping) {
        if (auto removed = disk_.remove(segment_path(number)); !removed) return removed;
        return disk_.sync_directory("seg");
    }
    auto path = "free/" + segment_file_name(number);
    if (auto renamed = disk_.rename(segment_path(number), path); !renamed) return renamed;
    if (auto synced = disk_.sync_directory("seg"); !synced) return synced;
    if (auto synced = disk_.sync_directory("free"); !synced) return synced;
    free_paths_.push_back(std::move(path));
    return {};
}

std::shared_ptr<SegmentFile> Segments::find(std::uint64_t number) const {
    const std::lock_guard guard(files_mutex_);
    const auto found = files_.find(number);
    return found == files_.end() ? nullptr : found->second;
}

}  // namespace queue::log
