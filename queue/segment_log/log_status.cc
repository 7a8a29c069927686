// What readers and onlookers ask the log, from any thread, and whether it refuses mail.
#include <algorithm>
#include <utility>

#include "mta/base/time_format.h"
#include "queue/segment_log/log.h"
#include "queue/segment_log/reading/log_reader.h"
#include "queue/segment_log/recovery/old_mail.h"
#include "queue/segment_log/segments/segments.h"

namespace queue::segment_log {

ReadAnswer Log::answer(const ReadRequest& request) {
    ReadAnswer answer{.shard = request.shard, .ticket = request.ticket, .what = {}};
    if (const auto* message = std::get_if<ReadMessage>(&request.what)) {
        answer.what = reader_->read_message(message->id);
    } else if (const auto* body = std::get_if<ReadBody>(&request.what)) {
        answer.what = reader_->read_body(body->id, body->offset, body->length);
    } else {
        answer.what = load_next();
    }
    return answer;
}

RecoveryReport Log::report() const {
    const mta::MutexLock lock(report_mutex_);
    auto report = report_;
    report.damages_met = reader_->damages();
    return report;
}

bool Log::is_broken() const {
    const mta::MutexLock lock(refusal_mutex_);
    return broken_.has_value();
}

void Log::break_down(const DiskError& error) {
    is_sync_due_ = false;  // nothing is synced any more
    const mta::MutexLock lock(refusal_mutex_);
    if (!broken_) broken_ = to_store_error(error);
}

void Log::break_down_or_stall(const DiskError& error) {
    if (!error.is_temporary() && !is_lack_of_room(error)) return break_down(error);
    auto why = to_store_error(error);
    why.text += ": new mail is refused until that is over";
    set_stalled(std::move(why));
}

void Log::set_stalled(std::optional<StoreError> why) {
    const mta::MutexLock lock(refusal_mutex_);
    // A full disk has said so already.
    if (why && !stalled_ && !is_full_) notes_.push_back(why->text);
    is_stalled_ = why.has_value();
    stalled_ = std::move(why);
}

std::optional<StoreError> Log::refusal() const {
    const mta::MutexLock lock(refusal_mutex_);
    if (broken_) return broken_;
    if (full_) return full_;
    return stalled_ ? stalled_ : no_space_;
}

std::optional<StoreError> Log::why_full() const {
    const mta::MutexLock lock(refusal_mutex_);
    return full_;
}

std::vector<std::string> Log::take_notes() {
    const mta::MutexLock lock(refusal_mutex_);
    return std::exchange(notes_, {});
}

void Log::set_space_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min) {
    free_percent_min_ = free_percent_min;
    free_bytes_min_ = free_bytes_min;
}

void Log::check_space() {
    const auto space = disk_.space();
    std::optional<StoreError> refusal;
    free_bytes_ = space ? space->free_bytes : ~std::uint64_t{0};
    kept_bytes_ = space ? outcome_room(*space) : 0;
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
    const mta::MutexLock lock(refusal_mutex_);
    no_space_ = std::move(refusal);
}

LogStatistics Log::statistics() const {
    LogStatistics statistics;
    statistics.messages = index_.size();
    statistics.segments = segments_->count();
    statistics.segment_bytes = segments_->bytes();
    statistics.live_bytes = segments_->live_bytes();
    statistics.batches = batches_;
    statistics.syncs = syncs_;
    statistics.recycled = recycled_;
    statistics.copied_bytes = copied_bytes_;
    statistics.is_loaded = is_loaded_;
    statistics.damaged_reads = reader_->damaged();
    statistics.damages_met = reader_->damages().size();
    return statistics;
}

}  // namespace queue::segment_log
