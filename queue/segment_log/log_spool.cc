#include "queue/segment_log/log_spool.h"

#include <chrono>
#include <utility>

namespace queue::segment_log {
namespace {

template <class T>
void take_new(const std::vector<T>& from, std::size_t& taken, std::vector<T>& to) {
    for (; taken < from.size(); ++taken) to.push_back(from[taken]);
}

}  // namespace

StoreResult<std::unique_ptr<LogSpool>> LogSpool::open(const std::string& path, LogOptions options,
                                                      SpoolEvents events) {
    std::unique_ptr<LogSpool> spool(new LogSpool(path));
    if (const auto owner = spool->disk_.foreign_owner()) {
        return std::unexpected(StoreError{StoreError::Kind::broken,
                                          foreign_owner_words(spool->disk_, *owner, "serve")});
    }
    options.random_seed = system_random();
    auto service = LogService::open(spool->disk_, options, LogService::Mode::threads,
                                    std::move(events.on_failed), std::move(events.on_note));
    if (!service) return std::unexpected(std::move(service).error());
    spool->service_ = std::move(*service);
    return spool;
}

std::unique_ptr<Store> LogSpool::make_store(Post post) {
    return service_->make_store(std::move(post));
}

SpoolOpening LogSpool::opening() const {
    const auto report = service_->report();
    return {.segments = report.segments, .has_torn_tail = report.has_torn_tail};
}

SpoolFindings LogSpool::take_findings() {
    const auto report = service_->report();
    SpoolFindings findings;
    const mta::MutexLock lock(taken_mutex_);
    take_new(report.damages, damages_taken_, findings.damages);
    take_new(report.damages_met, damages_met_taken_, findings.damages);
    take_new(report.notes, notes_taken_, findings.notes);
    return findings;
}

SpoolFigures LogSpool::figures() const {
    SpoolFigures figures;
    const auto log = service_->statistics();
    figures.messages = log.messages;
    if (const auto found = service_->report().messages; found > 0) figures.old_messages = found;
    figures.batches_total = log.batches;
    const auto& syncs = disk_.sync_times();
    figures.syncs_total = syncs.count;
    figures.sync_time_total = std::chrono::microseconds(syncs.microseconds);
    figures.sync_time_max = std::chrono::microseconds(syncs.microseconds_max);
    figures.damaged_reads_total = log.damaged_reads;
    figures.segments = log.segments;
    figures.written_bytes = log.segment_bytes;
    figures.live_bytes = log.live_bytes;
    figures.recycled_total = log.recycled;
    figures.copied_bytes_total = log.copied_bytes;
    if (const auto space = disk_.space()) {
        figures.free_bytes = space->free_bytes;
        figures.total_bytes = space->total_bytes;
    }
    if (auto kept = disk_.list("quarantine")) figures.quarantine = std::move(*kept);
    return figures;
}

void LogSpool::set_limits(const SpoolLimits& limits) {
    service_->set_space_floors(limits.free_percent_min, limits.free_bytes_min);
}

}  // namespace queue::segment_log
