#include "queue/segment_log/log.h"

#include <random>
#include <utility>

#include "mta/base/assert.h"

namespace queue::segment_log {
namespace {

constexpr std::size_t load_batch_messages = 256;

Uuid make_uuid(std::uint64_t seed) {
    std::mt19937_64 rng(seed ^ 0x5f0015eedu);
    Uuid uuid{};
    for (auto& byte : uuid) byte = static_cast<std::uint8_t>(rng() >> 24);
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40);  // RFC 9562: random
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
    return uuid;
}

}  // namespace

Log::Parts::Parts(Disk& disk, const LogOptions& options, const Uuid& spool, Index& index,
                  LogCondition& condition, const std::atomic<MessageId>& next_id)
    : housekeeping(disk, options, spool),
      files(disk),
      uses(options, files, housekeeping),
      reader(disk, index, files),
      space(disk, options, index, condition),
      writer({disk, options, housekeeping, uses, files, index, reader, condition, space, next_id}) {
}

StoreResult<std::unique_ptr<Log>> Log::open(Disk& disk, const LogOptions& options) {
    std::unique_ptr<Log> log(new Log(disk, options));
    if (auto started = log->start(); !started) return std::unexpected(std::move(started).error());
    return log;
}

Log::Log(Disk& disk, const LogOptions& options) : disk_(disk), options_(options) {
    MTA_ASSERT(options.segment_bytes >= 2 * segment_header_bytes);
    MTA_ASSERT(options.segment_bytes <= 2u << 30);
    MTA_ASSERT(options.batch_bytes_max <= 1u << 30 && options.batch_records_max > 0);
}

Log::~Log() = default;

StoreResult<void> Log::start() {
    auto lock = enter_spool(disk_);
    if (!lock) return std::unexpected(std::move(lock).error());
    lock_ = std::move(*lock);
    options_ = fit_to_disk(options_, disk_);  // now that there is a folder
    // Before anything is changed, because a newer posthouse may have written the spool.
    const auto known = read_version(disk_);
    if (!known) return std::unexpected(known.error());
    auto survey = survey_spool(disk_, options_, *known);
    if (!survey) return std::unexpected(std::move(survey).error());
    auto spool = settle_version(*known, *survey);
    if (!spool) return std::unexpected(std::move(spool).error());
    next_id_ = survey->next_id;
    parts_ = std::make_unique<Parts>(disk_, options_, *spool, index_, condition_, next_id_);
    adopt_segments(*survey);
    const bool has_cold = survey->tails[static_cast<std::size_t>(Stream::cold)].number != 0;
    old_mail_ = std::make_unique<OldMail>(disk_, std::move(*survey));
    return parts_->writer.start(has_cold);
}

// The spool's identity is also in each segment, so a lost VERSION is made again.
StoreResult<Uuid> Log::settle_version(const std::optional<SpoolVersion>& known, Survey& survey) {
    const bool is_right = known && known->spool == survey.spool;
    if (is_right && known->version == format_version) return known->spool;
    const auto spool = survey.spool ? *survey.spool : make_uuid(options_.random_seed);
    // An older version is raised before anything is written that an older posthouse cannot read.
    if (survey.spool && !is_right) {
        survey.report.notes.push_back(
            std::string(known ? "VERSION named a spool that no segment is of"
                              : "VERSION was missing or damaged") +
            "; it is written anew with the uuid of " + std::to_string(survey.own_segments) +
            " segments: " + format_uuid(spool));
    }
    if (auto written = write_version(disk_, {.spool = spool}); !written) {
        return std::unexpected(written.error());
    }
    return spool;
}

void Log::adopt_segments(const Survey& survey) {
    auto& [housekeeping, files, uses, reader, space, writer] = *parts_;
    {
        const mta::MutexLock lock(report_mutex_);
        report_ = survey.report;
    }
    housekeeping.reserve_number(survey.number_max);
    for (const auto& segment : survey.segments) {
        uses.adopt(
            {segment.header.number, segment.header.generation, segment.end, segment.file_bytes});
    }
    auto& streams = writer.streams();
    streams.set_next_lsn(survey.next_lsn);
    for (const auto stream : {Stream::hot, Stream::cold}) {
        const auto& tail = survey.tails[static_cast<std::size_t>(stream)];
        streams.at(stream).set_previous(tail.number, tail.end);
    }
    for (const auto& path : survey.free_paths) housekeeping.adopt_free(path);
    uses.hold_back(true);
}

ReadAnswer Log::answer(const ReadRequest& request) {
    ReadAnswer answer{.shard = request.shard, .ticket = request.ticket, .what = {}};
    auto& reader = parts_->reader;
    if (const auto* message = std::get_if<ReadMessage>(&request.what)) {
        answer.what = reader.read_message(message->id);
    } else if (const auto* body = std::get_if<ReadBody>(&request.what)) {
        answer.what = reader.read_body(body->id, body->offset, body->length);
    } else {
        answer.what = load_next();
    }
    return answer;
}

StoreResult<std::optional<AdoptOldMail>> Log::read_old_mail(unsigned threads,
                                                            const std::atomic<bool>& stop) {
    if (!old_mail_->read(threads, stop)) {
        if (old_mail_->error()) return std::unexpected(*old_mail_->error());
        return std::nullopt;
    }
    old_mail_->add_to(index_);
    const mta::MutexLock lock(report_mutex_);
    report_ = old_mail_->report();
    return AdoptOldMail{.counts = old_mail_->take_counts()};
}

LoadedBatch Log::load_next() {
    LoadedBatch batch;
    if (!old_mail_) return {.messages = {}, .last = true};
    batch.messages = old_mail_->next(load_batch_messages);
    batch.last = batch.messages.size() < load_batch_messages;
    if (batch.last) old_mail_.reset();
    return batch;
}

RecoveryReport Log::report() const {
    const mta::MutexLock lock(report_mutex_);
    auto report = report_;
    report.damages_met = parts_->reader.damages();
    return report;
}

LogStatistics Log::statistics() const {
    const auto& uses = parts_->uses;
    auto& writer = parts_->writer;
    LogStatistics statistics;
    statistics.messages = index_.size();
    statistics.segments = uses.count();
    statistics.segment_bytes = uses.bytes();
    statistics.live_bytes = uses.live_bytes();
    statistics.batches = writer.streams().batches();
    statistics.syncs = writer.streams().syncs();
    statistics.recycled = writer.recycled();
    statistics.copied_bytes = writer.copied_bytes();
    statistics.is_loaded = writer.is_loaded();
    statistics.damaged_reads = parts_->reader.damaged();
    statistics.damages_met = parts_->reader.damages().size();
    return statistics;
}

void Log::set_space_floors(std::uint32_t free_percent_min, std::uint64_t free_bytes_min) {
    parts_->space.set_floors(free_percent_min, free_bytes_min);
    check_space();
}

}  // namespace queue::segment_log
