#include "queue/segment_log/segments/segment_writer.h"

#include <algorithm>
#include <string>
#include <utility>

namespace queue::segment_log {

void SegmentWriter::set_previous(std::uint64_t number, std::uint64_t end) {
    previous_ = number;
    previous_end_ = end;
}

void SegmentWriter::update_size() { uses_.resize(number_, end_, filled_); }

// What lies behind its end in the file does not matter: the next segment says where the end is.
DiskResult<void> SegmentWriter::seal() {
    if (!is_synced_) {
        if (auto synced = sync(); !synced) return synced;
    }
    if (is_room_short_) trim();
    set_previous(number_, end_);
    uses_.close(number_);
    housekeeping_.add_closed(number_, end_);
    file_.reset();
    number_ = 0;
    return {};
}

DiskResult<void> SegmentWriter::start_next(std::uint64_t first_lsn) {
    // Before the current one is closed: where there is no room for the next, it has some left.
    auto ready = housekeeping_.take();
    if (!ready) return std::unexpected(std::move(ready).error());
    if (file_) {
        if (auto sealed = seal(); !sealed) return sealed;
    }
    file_ = std::move(ready->file);
    number_ = ready->number;
    generation_ = ready->generation;
    origin_ = {.stream = stream_,
               .first_lsn = first_lsn,
               .previous = previous_,
               .previous_end = previous_end_};
    end_ = segment_header_bytes;
    started_ = end_;
    filled_ = std::max<std::uint64_t>(ready->bytes, end_);
    is_synced_ = true;
    uses_.open({number_, generation_, end_, filled_});
    return {};
}

DiskResult<void> SegmentWriter::append(std::string_view bytes) {
    const auto size = bytes.size();
    is_synced_ = false;
    auto written = file_->write(end_, bytes);
    if (!written) return written;
    if (end_ + size > filled_) {
        filled_ = end_ + size;
        if (auto filled = fill_ahead(); !filled) return filled;
    }
    const auto half = options_.segment_bytes / 2;
    if (end_ < half && end_ + size >= half) housekeeping_.want_ready();
    end_ += size;
    update_size();
    return {};
}

// Writes zeros, but not beyond the size of a segment. On a disk that is nearly full only the
// record itself matters.
DiskResult<void> SegmentWriter::fill_ahead() {
    const auto left = options_.segment_bytes - std::min(options_.segment_bytes, filled_);
    const auto ahead = std::min(options_.zero_ahead_bytes, left);
    if (ahead == 0 || is_room_short_) return {};
    auto written = file_->write(filled_, std::string(static_cast<std::size_t>(ahead), '\0'));
    if (written) filled_ += ahead;
    if (!written && (written.error().is_no_space() || written.error().is_temporary())) return {};
    return written;
}

DiskResult<void> SegmentWriter::reserve(std::uint64_t bytes) {
    DiskResult<void> written;
    const auto needed = end_ + bytes;
    const auto left = options_.segment_bytes - std::min(options_.segment_bytes, needed);
    for (const auto ahead : {std::min(options_.zero_ahead_bytes, left), std::uint64_t{0}}) {
        const auto end = needed + ahead;
        if (needed <= filled_) break;
        written = file_->write(filled_, std::string(static_cast<std::size_t>(end - filled_), '\0'));
        if (!written && !written.error().is_no_space()) return written;
        if (written) filled_ = end;
    }
    // What the failed write could take remains, for a smaller batch.
    if (!written)
        if (const auto size = file_->size()) filled_ = std::max(filled_, *size);
    update_size();
    if (needed <= filled_) return {};
    return written;
}

// A failure does no harm: the file stays larger than it need be.
void SegmentWriter::trim() {
    if (filled_ <= end_ || !file_->resize(end_)) return;
    filled_ = end_;
    update_size();
}

DiskResult<void> SegmentWriter::cut() {
    if (auto cut = file_->resize(end_); !cut) return cut;
    filled_ = end_;
    update_size();
    return sync();
}

void SegmentWriter::start_writing() {
    file_->start_writing(started_, end_ - started_);
    started_ = end_;
}

DiskResult<void> SegmentWriter::sync() {
    auto synced = file_->sync();
    is_synced_ = synced.has_value();
    has_sync_failed_ = has_sync_failed_ || !synced;
    started_ = end_;
    return synced;
}

}  // namespace queue::segment_log
