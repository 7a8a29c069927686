#include "queue/segment_log/segments/segments.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace queue::segment_log {

DiskResult<std::string> SegmentFile::read(std::uint64_t offset, std::size_t length) {
    const auto file = open_files_->get(number_);
    if (!file) return std::unexpected(file.error());
    return (*file)->read(offset, length);
}

Segments::Segments(Disk& disk, const LogOptions& options, Housekeeping& housekeeping)
    : options_(options),
      housekeeping_(housekeeping),
      open_files_(std::make_shared<OpenFiles>(disk)) {}

Segments::~Segments() = default;

void Segments::adopt(const Adopted& segment) {
    insert(segment);
    look_at(segment.number);
}

void Segments::set_previous(Stream stream, std::uint64_t number, std::uint64_t end) {
    open_of(stream).previous = number;
    open_of(stream).previous_end = end;
}

bool Segments::is_current(std::uint64_t number) const {
    return std::ranges::any_of(open_, [number](const Open& open) { return open.number == number; });
}

void Segments::insert(const Adopted& segment) {
    auto& use = uses_[segment.number];
    use.end = segment.end;
    set_file_bytes(use, std::max(segment.end, segment.file_bytes));
    bytes_ += segment.end;
    ++count_;
    const mta::MutexLock lock(files_mutex_);
    files_[segment.number] =
        std::make_shared<SegmentFile>(open_files_, segment.number, segment.generation);
}

void Segments::set_file_bytes(Use& use, std::uint64_t bytes) {
    file_bytes_ += bytes - use.file_bytes;
    use.file_bytes = bytes;
}

// What lies behind its end in the file is no matter: the next one says where that is.
DiskResult<void> Segments::seal(Stream stream) {
    auto& open = open_of(stream);
    if (!open.is_synced) {
        if (auto synced = sync(stream); !synced) return synced;
    }
    if (is_room_short_) trim(open);
    set_previous(stream, open.number, open.end);
    look_at(open.number);
    housekeeping_.note_closed(open.number, open.end);
    open.file.reset();
    open.number = 0;
    return {};
}

DiskResult<void> Segments::start_next(Stream stream, std::uint64_t first_lsn) {
    auto& open = open_of(stream);
    // First: where there is no room for the next one, the current one has some left.
    auto ready = housekeeping_.take();
    if (!ready) return std::unexpected(std::move(ready).error());
    if (open.file) {
        if (auto sealed = seal(stream); !sealed) return sealed;
    }
    open.file = std::move(ready->file);
    open.number = ready->number;
    open.generation = ready->generation;
    open.origin = {.stream = stream,
                   .first_lsn = first_lsn,
                   .previous = open.previous,
                   .previous_end = open.previous_end};
    open.end = segment_header_bytes;
    open.started = open.end;
    open.filled = std::max<std::uint64_t>(ready->bytes, open.end);
    open.is_synced = true;
    insert({open.number, open.generation, open.end, open.filled});
    return {};
}

DiskResult<void> Segments::append(Stream stream, std::string_view bytes) {
    auto& open = open_of(stream);
    const auto size = bytes.size();
    open.is_synced = false;
    auto written = open.file->write(open.end, bytes);
    if (!written) return written;
    if (open.end + size > open.filled) {
        open.filled = open.end + size;
        if (auto filled = fill_ahead(open); !filled) return filled;
    }
    if (open.end < options_.segment_bytes / 2 && open.end + size >= options_.segment_bytes / 2) {
        housekeeping_.want_ready();
    }
    open.end += size;
    bytes_ += size;
    auto& use = uses_[open.number];
    use.end = open.end;
    set_file_bytes(use, open.filled);
    return {};
}

// Zeros, as far ahead as the segment is going to be. On a disk that is nearly full the record
// itself is what counts.
DiskResult<void> Segments::fill_ahead(Open& open) const {
    const auto left = options_.segment_bytes - std::min(options_.segment_bytes, open.filled);
    const auto ahead = std::min(options_.zero_ahead_bytes, left);
    if (ahead == 0 || is_room_short_) return {};
    auto written =
        open.file->write(open.filled, std::string(static_cast<std::size_t>(ahead), '\0'));
    if (written) open.filled += ahead;
    if (!written && (written.error().is_no_space() || written.error().is_temporary())) return {};
    return written;
}

DiskResult<void> Segments::reserve(Stream stream, std::uint64_t bytes) {
    auto& open = open_of(stream);
    DiskResult<void> written;
    const auto needed = open.end + bytes;
    const auto left = options_.segment_bytes - std::min(options_.segment_bytes, needed);
    for (const auto ahead : {std::min(options_.zero_ahead_bytes, left), std::uint64_t{0}}) {
        const auto end = needed + ahead;
        if (needed <= open.filled) break;
        written = open.file->write(open.filled,
                                   std::string(static_cast<std::size_t>(end - open.filled), '\0'));
        if (!written && !written.error().is_no_space()) return written;
        if (written) open.filled = end;
    }
    // As much as there was is ours, for what is smaller.
    if (!written)
        if (const auto size = open.file->size()) open.filled = std::max(open.filled, *size);
    set_file_bytes(uses_.at(open.number), open.filled);
    if (needed <= open.filled) return {};
    return written;
}

// If that works.
void Segments::trim(Open& open) {
    if (open.filled <= open.end || !open.file->resize(open.end)) return;
    open.filled = open.end;
    set_file_bytes(uses_.at(open.number), open.end);
}

DiskResult<void> Segments::cut(Stream stream) {
    auto& open = open_of(stream);
    if (auto cut = open.file->resize(open.end); !cut) return cut;
    open.filled = open.end;
    set_file_bytes(uses_.at(open.number), open.end);
    return sync(stream);
}

void Segments::start_writing(Stream stream) {
    auto& open = open_of(stream);
    open.file->start_writing(open.started, open.end - open.started);
    open.started = open.end;
}

DiskResult<void> Segments::sync(Stream stream) {
    auto& open = open_of(stream);
    auto synced = open.file->sync();
    open.is_synced = synced.has_value();
    has_sync_failed_ = has_sync_failed_ || !synced;
    open.started = open.end;
    return synced;
}

void Segments::add_live(std::uint64_t number, std::uint64_t bytes) {
    const auto use = uses_.find(number);
    MTA_ASSERT(use != uses_.end());
    use->second.live_bytes += bytes;
    live_bytes_ += bytes;
}

void Segments::drop_live(std::uint64_t number, std::uint64_t bytes) {
    const auto use = uses_.find(number);
    MTA_ASSERT(use != uses_.end() && use->second.live_bytes >= bytes);
    use->second.live_bytes -= bytes;
    live_bytes_ -= bytes;
    if (use->second.live_bytes == 0) look_at(number);
}

void Segments::look_at(std::uint64_t number) {
    to_look_at_.insert(number);
    is_recycling_due_ = true;
}

void Segments::add_done(std::uint64_t number, const DoneMark& done) {
    if (done.home == number || !uses_.contains(done.home)) return;
    auto& use = uses_.at(number);
    auto& ids = use.dones[done.home];
    if (ids.empty()) done_holders_[done.home].insert(number);
    ids.push_back(done.id);
    ++use.done_count;
}

// It is gone for certain, and its DONEs are needless.
void Segments::forget_home(std::uint64_t home) {
    const auto holders = done_holders_.extract(home);
    if (holders.empty()) return;
    for (const auto number : holders.mapped()) {
        auto& use = uses_.at(number);
        use.done_count -= use.dones.extract(home).mapped().size();
        if (use.live_bytes == 0) look_at(number);
    }
}

void Segments::forget_dones(std::uint64_t number, Use& use) {
    for (const auto& [home, ids] : use.dones) {
        const auto holders = done_holders_.find(home);
        holders->second.erase(number);
        if (holders->second.empty()) done_holders_.erase(holders);
    }
    use.dones.clear();
    use.done_count = 0;
}

void Segments::carried() {
    to_carry_.clear();
    for (const auto number : std::exchange(carried_from_, {})) {
        auto& use = uses_.at(number);
        use.fate = Use::Fate::kept;
        forget_dones(number, use);
        look_at(number);
    }
    is_recycling_due_ = true;
}

std::vector<std::uint64_t> Segments::settle_retired() {
    std::vector<std::uint64_t> gone;
    for (const auto& retired : housekeeping_.take_retired()) {
        auto& use = uses_.at(retired.number);
        if (!retired.is_gone) {
            use.fate = Use::Fate::stuck;
            continue;
        }
        bytes_ -= use.end;
        set_file_bytes(use, 0);
        --count_;
        uses_.erase(retired.number);
        forget_home(retired.number);
        gone.push_back(retired.number);
    }
    return gone;
}

std::vector<std::uint64_t> Segments::recycle() {
    auto gone = settle_retired();
    if (is_held_back_ || !std::exchange(is_recycling_due_, false)) return gone;
    std::erase_if(to_look_at_, [this](std::uint64_t number) { return let_go(number); });
    return gone;
}

bool Segments::let_go(std::uint64_t number) {
    const auto found = uses_.find(number);
    if (found == uses_.end()) return true;
    auto& use = found->second;
    // Whatever changes that, it is looked at again then.
    if (is_current(number) || use.live_bytes > 0 || use.fate != Use::Fate::kept) return true;
    // A home is gone for certain before its DONEs may go: those wait for settle_retired().
    return use.done_count == 0 ? retire(number, use) : carry(number, use);
}

// Only DONEs are left in it. They are written again if that is little beside what it frees; the
// DONEs of a segment that is full of them wait until their homes have gone.
bool Segments::carry(std::uint64_t number, Use& use) {
    const auto bytes = use.done_count * carried_bytes;
    if (bytes * freed_bytes_per_carried > std::min(use.end, options_.segment_bytes)) return true;
    const auto bytes_max = std::min(options_.batch_bytes_max, options_.segment_bytes) / 8;
    const auto bytes_before = to_carry_.size() * carried_bytes;
    if (bytes_before > 0 && bytes_before + bytes > bytes_max) return false;  // with the next ones
    use.fate = Use::Fate::carried;
    carried_from_.push_back(number);
    for (const auto& [home, ids] : use.dones) {
        for (const auto id : ids) to_carry_.push_back({id, home});
    }
    return true;
}

bool Segments::retire(std::uint64_t number, Use& use) {
    {
        const mta::MutexLock lock(files_mutex_);
        const auto file = files_.find(number);
        if (file->second.use_count() > 1) {
            is_recycling_due_ = true;  // somebody reads in it: later
            return false;
        }
        files_.erase(file);
    }
    use.fate = Use::Fate::retiring;
    housekeeping_.retire(number, use.end);
    return true;
}

std::optional<Segments::Victim> Segments::choose_victim(std::uint64_t scarce_room) const {
    if (is_held_back_) return std::nullopt;
    const auto slack = options_.slack_segments * options_.segment_bytes;
    const bool is_too_much = file_bytes_ > 2 * live_bytes_ + slack;
    const auto newest = std::max(open_of(Stream::hot).number, open_of(Stream::cold).number);
    std::optional<Victim> best;
    double best_share = 1;
    for (const auto& [number, use] : uses_) {
        if (use.live_bytes == 0 || use.live_bytes == use.live_after_compaction) continue;
        if (is_current(number) || use.fate != Use::Fate::kept) continue;
        const auto share = static_cast<double>(use.live_bytes) / static_cast<double>(use.end);
        const bool gives_room = use.live_bytes <= scarce_room / 4 * 3;
        const bool is_worth_it = ((is_too_much || gives_room) && share < 0.75) ||
                                 (share < 0.25 && number + options_.young_segments < newest);
        if (!is_worth_it || share >= best_share) continue;
        best = Victim{.number = number, .end = use.end, .live_bytes = use.live_bytes};
        best_share = share;
    }
    return best;
}

std::uint64_t Segments::note_compacted(std::uint64_t number) {
    const auto use = uses_.find(number);
    if (use == uses_.end()) return 0;
    use->second.live_after_compaction = use->second.live_bytes;
    return use->second.live_bytes;
}

std::shared_ptr<SegmentFile> Segments::find(std::uint64_t number) const {
    const mta::MutexLock lock(files_mutex_);
    const auto found = files_.find(number);
    return found == files_.end() ? nullptr : found->second;
}

}  // namespace queue::segment_log
