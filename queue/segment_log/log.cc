#include "queue/segment_log/log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/time_format.h"
#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/reading/log_reader.h"
#include "queue/segment_log/recovery/old_mail.h"
#include "queue/segment_log/recovery/recovery.h"
#include "queue/segment_log/segments/housekeeping.h"
#include "queue/segment_log/segments/segments.h"
#include "queue/segment_log/writing/batch.h"
#include "queue/segment_log/writing/compaction.h"
#include "queue/segment_log/writing/pending.h"

namespace queue::segment_log {
namespace {

// Ids given away between two batches; more would have to be given without one single message
// written between, and even then only a crash at that moment could give one twice.
constexpr std::uint64_t ids_reserved = 65'536;
// The free space is looked at again after so many commits, and after so many bytes: far fewer than
// what is kept free, so that new mail is refused before the disk is full.
constexpr std::uint32_t space_check_commits = 64;
constexpr std::uint64_t space_check_bytes = 16u << 20;
constexpr std::uint64_t compaction_look_commits = 8;
constexpr std::uint64_t compaction_pause_commits = 64;
constexpr std::size_t load_batch_messages = 256;
// STATEs of some recipients are put together into one of all when they are as large as that one, so
// that no more than twice as much is written, or read back. Fewer bytes are not worth it.
constexpr std::uint64_t delta_bytes_min = 4096;

Uuid make_uuid(std::uint64_t seed) {
    std::mt19937_64 rng(seed ^ 0x5f0015eedu);
    Uuid uuid{};
    for (auto& byte : uuid) byte = static_cast<std::uint8_t>(rng() >> 24);
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40);  // RFC 9562: random
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
    return uuid;
}

}  // namespace

StoreResult<std::unique_ptr<Log>> Log::open(Disk& disk, const LogOptions& options) {
    std::unique_ptr<Log> log(new Log(disk, options));
    if (auto started = log->start(); !started) return std::unexpected(std::move(started).error());
    return log;
}

Log::Log(Disk& disk, const LogOptions& options)
    : disk_(disk),
      options_(options),
      free_percent_min_(options.free_percent_min),
      free_bytes_min_(options.free_bytes_min),
      pending_(std::make_unique<Pending>()) {
    MTA_ASSERT(options.segment_bytes >= 2 * segment_header_bytes);
    MTA_ASSERT(options.segment_bytes <= 2u << 30);
    MTA_ASSERT(options.batch_bytes_max <= 1u << 30 && options.batch_records_max > 0);
}

Log::~Log() = default;

StoreResult<void> Log::start() {
    auto lock = enter_spool(disk_);
    if (!lock) return std::unexpected(std::move(lock).error());
    lock_ = std::move(*lock);
    options_ = fit(options_, disk_);  // now that there is a folder
    // Before anything is touched: it may be a newer posthouse's.
    const auto known = read_version(disk_);
    if (!known) return std::unexpected(known.error());
    auto survey = survey_spool(disk_, options_, *known);
    if (!survey) return std::unexpected(std::move(survey).error());
    auto spool = settle_version(*known, *survey);
    if (!spool) return std::unexpected(std::move(spool).error());
    housekeeping_ = std::make_unique<Housekeeping>(disk_, options_, *spool);
    segments_ = std::make_unique<Segments>(disk_, options_, *housekeeping_);
    reader_ = std::make_unique<LogReader>(disk_, index_, *segments_);
    compaction_ = std::make_unique<Compaction>(*segments_, index_, *reader_);
    adopt_segments(*survey);
    const bool has_cold = survey->tails[static_cast<std::size_t>(Stream::cold)].number != 0;
    old_mail_ = std::make_unique<OldMail>(disk_, std::move(*survey));
    return start_streams(has_cold);
}

// The spool's identity is in each segment too, so a lost VERSION is made again.
StoreResult<Uuid> Log::settle_version(const std::optional<SpoolVersion>& known, Survey& survey) {
    const bool is_right = known && known->spool == survey.spool;
    if (is_right && known->version == format_version) return known->spool;
    const auto spool = survey.spool ? *survey.spool : make_uuid(options_.random_seed);
    // An older one is raised before anything is written that an older posthouse cannot read.
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
    {
        const mta::MutexLock lock(report_mutex_);
        report_ = survey.report;
    }
    next_lsn_ = survey.next_lsn;
    next_id_ = survey.next_id;
    housekeeping_->reserve_number(survey.number_max);
    for (const auto& segment : survey.segments) {
        segments_->adopt(
            {segment.header.number, segment.header.generation, segment.end, segment.file_bytes});
    }
    for (std::size_t stream = 0; stream < stream_count; ++stream) {
        durable_lsn_[stream] = next_lsn_ - 1;
        const auto& tail = survey.tails[stream];
        segments_->set_previous(static_cast<Stream>(stream), tail.number, tail.end);
    }
    for (const auto& path : survey.free_paths) housekeeping_->adopt_free(path);
    segments_->hold_back(true);
}

// ---- The loader ----

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

// ---- The writer ----

void Log::adopt_old_mail(const AdoptOldMail& old) {
    for (const auto& count : old.counts) {
        if (!segments_->contains(count.number)) continue;
        if (count.live_bytes > 0) segments_->add_live(count.number, count.live_bytes);
        for (const auto& done : count.dones) segments_->add_done(count.number, done);
    }
    segments_->hold_back(false);
    compaction_->earn(segments_->bytes() - segments_->live_bytes());
    compaction_->look_again();
    is_loaded_ = true;
}

void Log::submit(Operation operation) {
    MTA_ASSERT(!is_closed_);
    if (const auto* old = std::get_if<AdoptOldMail>(&operation.what)) {
        adopt_old_mail(*old);
        return;
    }
    if (is_refused(operation)) refuse_mail(operation);
    pending_->add(std::move(operation));
}

bool Log::has_work() const { return writing_ || !pending_->empty() || !refused_.empty(); }

std::vector<Operation> Log::take_batch(std::uint64_t& bytes) {
    std::vector<Operation> taken;
    bytes = Batch::lead_bytes;
    const auto carried = segments_->dones_to_carry().size() * Batch::carried_bytes;
    // A batch also keeps within a segment, so that a segment is as large as it was meant to be.
    const auto bytes_max =
        std::min(options_.batch_bytes_max, options_.segment_bytes - segment_header_bytes);
    std::uint32_t records = 0;
    std::size_t pieces = 0;
    while (!pending_->empty()) {
        const auto more = Batch::bytes_max(pending_->front(), uploads_, pieces);
        records += Batch::record_count(pending_->front());
        const bool is_full = bytes + carried + more > bytes_max;
        if (!taken.empty() && (is_full || records > options_.batch_records_max)) break;
        bytes += more;
        if (std::holds_alternative<AppendBody>(pending_->front().what)) ++pieces;
        taken.push_back(pending_->take_front());
    }
    return taken;
}

std::uint64_t Log::id_ceiling() const { return next_id_ + ids_reserved; }

DiskResult<void> Log::make_room(Stream stream, std::uint64_t bytes) {
    const bool is_open = segments_->is_open(stream);
    const bool is_short = stream == Stream::hot && is_short_of_room();
    segments_->save_room(is_saving());
    if (is_open &&
        (segments_->is_fresh(stream) || segments_->end(stream) + bytes <= options_.segment_bytes)) {
        return is_short ? segments_->reserve(stream, bytes) : DiskResult<void>();
    }
    auto started = segments_->start_next(stream, next_lsn_);
    // Closing a segment syncs it.
    if (started) durable_lsn(stream) = next_lsn_ - 1;
    if (stream == Stream::hot && !segments_->holds_unsynced(stream)) drop_needless(true);
    if (!started && segments_->has_sync_failed()) break_down(started.error());
    is_space_check_due_ = true;
    compaction_->look_again();
    return started && is_short ? segments_->reserve(stream, bytes) : started;
}

DiskResult<void> Log::write_batch(Stream stream, Batch& batch) {
    batch.complete(durable_lsn(stream), id_ceiling());
    auto written = segments_->append(stream, batch.bytes());
    // What a failed write has left must not be taken for what comes in its place.
    if (!written && stream == Stream::cold) next_lsn_ = batch.last_lsn() + 1;
    if (!written) return written;
    ++batches_;
    unchecked_bytes_ += batch.bytes().size();
    next_lsn_ = batch.last_lsn() + 1;
    switch (batch.certainty()) {
        case Batch::Certainty::now: return sync_stream(stream);
        case Batch::Certainty::soon: is_sync_due_ = true; break;
        // The sync of a large message, in which others wait too, then finds little left to do.
        case Batch::Certainty::whenever: segments_->start_writing(stream); break;
    }
    return {};
}

DiskResult<void> Log::sync_stream(Stream stream) {
    if (auto synced = segments_->sync(stream); !synced) return synced;
    ++syncs_;
    durable_lsn(stream) = next_lsn_ - 1;
    if (stream == Stream::hot) is_sync_due_ = false;
    return {};
}

void Log::sync() {
    if (!is_sync_due_ || is_broken()) return;
    if (auto synced = sync_stream(Stream::hot); !synced) return break_down(synced.error());
    drop_needless(true);
}

bool Log::prepare() {
    if (!writing_) {
        std::uint64_t bytes = 0;
        auto taken = take_batch(bytes);
        if (taken.empty()) return false;
        writing_ =
            Writing{.operations = std::move(taken), .bytes = bytes, .completions = {}, .batch = {}};
    }
    if (writing_->batch) return true;
    if (auto place = find_place(); !place) {
        break_down_or_stall(place.error());
        return false;
    }
    auto batch =
        std::make_unique<Batch>(Batch::Parts{*segments_, index_, uploads_}, Stream::hot, next_lsn_);
    for (const auto& mark : segments_->dones_to_carry()) batch->carry(mark);
    writing_->completions.reserve(writing_->operations.size());
    for (const auto& operation : writing_->operations) {
        StoreResult<void> result;
        if (!batch->add(operation)) {
            result = std::unexpected(
                StoreError{StoreError::Kind::not_found, "the message is not in the spool"});
        }
        segment_log::answer(operation, result, writing_->completions);
    }
    compaction_->earn(batch->discarded_bytes());
    writing_->batch = std::move(batch);
    return true;
}

std::vector<Completion> Log::commit() {
    auto completions = commit_batch();
    std::ranges::move(std::exchange(refused_, {}), std::back_inserter(completions));
    return completions;
}

std::vector<Completion> Log::commit_batch() {
    if (housekeeping_->has_failed()) break_down(*housekeeping_->failure());
    if (is_broken()) return fail_everything();
    if (!prepare()) return is_broken() ? fail_everything() : std::vector<Completion>();
    auto& batch = *writing_->batch;
    DiskResult<void> written;
    if (!batch.is_empty()) {
        written = write_batch(Stream::hot, batch);
    } else if (batch.certainty() == Batch::Certainty::now &&
               segments_->holds_unsynced(Stream::hot)) {
        written = sync_stream(Stream::hot);
    }
    if (!written) {
        if (is_lack_of_room(written.error())) begin_full(written.error());
        break_down_or_stall(written.error());
        return is_broken() ? fail_everything() : std::vector<Completion>();
    }
    set_stalled(std::nullopt);
    apply(batch);
    if (!is_sync_due_) drop_needless(true);
    auto completions = std::move(writing_->completions);
    writing_.reset();
    ++commits_;
    if (commits_ % space_check_commits == 0) is_space_check_due_ = true;
    check_space_if_due();
    if (commits_ % compaction_look_commits == 0) compaction_->look_again();
    return completions;
}

void Log::check_space_if_due() {
    if (!is_space_check_due_ && unchecked_bytes_ < space_check_bytes) return;
    is_space_check_due_ = false;
    unchecked_bytes_ = 0;
    look_for_room();
}

// The batch is written: from now on its records are those that are read. What they make needless
// stays until they are certain.
void Log::apply(Batch& batch) {
    bool has_carried = false;
    for (auto& effect : batch.effects()) {
        if (auto* added = std::get_if<Batch::Added>(&effect)) {
            const auto& where = added->message.enqueue;
            segments_->add_live(where.segment, where.bytes);
            index_.add(added->id, added->message);
        } else if (auto* state = std::get_if<Batch::StateWritten>(&effect)) {
            const auto whole_bytes =
                std::uint64_t{state->where.bytes} * state->recipients / state->written;
            apply_state(state->id, state->where, state->written == state->recipients, whole_bytes);
        } else if (auto* copied = std::get_if<Batch::Copied>(&effect)) {
            apply_copied(copied->id, copied->message);
        } else if (auto* done = std::get_if<Batch::DoneWritten>(&effect)) {
            segments_->add_done(segments_->current(Stream::hot), done->mark);
            has_carried = has_carried || done->is_carried;
            if (!done->is_carried) apply_done(done->mark);
        }
    }
    if (has_carried) segments_->carried();
}

void Log::apply_state(MessageId id, const Location& where, bool is_whole,
                      std::uint64_t whole_bytes) {
    if (!is_whole) {
        const auto bytes = index_.add_delta(id, where);
        if (!bytes) return;  // finished in the same batch
        segments_->add_live(where.segment, where.bytes);
        if (*bytes >= std::max(whole_bytes, delta_bytes_min)) compaction_->merge_states(id);
        return;
    }
    const auto before = index_.set_state(id, where);
    if (!before) return;
    segments_->add_live(where.segment, where.bytes);
    const auto drop = [this](const Location& place) {
        if (place.bytes > 0) drop_when_synced(place.segment, place.bytes);
    };
    drop(before->state);
    std::ranges::for_each(before->deltas, drop);
}

void Log::apply_done(const DoneMark& mark) {
    const auto message = index_.remove(mark.id);
    if (!message) return;
    drop_when_synced(message->enqueue.segment, message->enqueue.bytes);
    if (message->state.bytes > 0) drop_when_synced(message->state.segment, message->state.bytes);
    for (const auto& delta : message->deltas) drop_when_synced(delta.segment, delta.bytes);
    for (const auto& body : message->bodies) drop_when_synced(body.segment, body.bytes);
}

void Log::drop_when_synced(std::uint64_t segment, std::uint64_t bytes) {
    needless_.push_back({.segment = segment, .bytes = bytes});
}

// What was to make it so is certain.
void Log::drop_needless(bool earns) {
    is_sync_due_ = false;
    for (const auto& piece : needless_) {
        segments_->drop_live(piece.segment, piece.bytes);
        if (earns) compaction_->earn(piece.bytes);
    }
    needless_.clear();
}

void Log::apply_copied(MessageId id, const LiveMessage& message) {
    const auto before = index_.replace(id, message);
    MTA_ASSERT(before);  // the writer looked a moment ago, and only the writer removes
    const auto count = [&](const LiveMessage& of, const auto& change) {
        change(of.enqueue.segment, of.enqueue.bytes);
        if (of.state.bytes > 0) change(of.state.segment, of.state.bytes);
        for (const auto& delta : of.deltas) change(delta.segment, delta.bytes);
        for (const auto& body : of.bodies) change(body.segment, body.bytes);
    };
    count(message, [this](auto segment, auto bytes) { segments_->add_live(segment, bytes); });
    count(*before, [this](auto segment, auto bytes) { segments_->drop_live(segment, bytes); });
    index_.add_old_home(id, before->enqueue.segment);
}

bool Log::tend() {
    if (housekeeping_->has_failed()) break_down(*housekeeping_->failure());
    if (is_broken()) return false;
    const auto gone = segments_->recycle();
    recycled_ += gone.size();
    for (const auto number : gone) index_.forget_old_home(number);
    if (!gone.empty()) compaction_->look_again();
    // A batch that could not be written yet has its place in the row of lsns.
    const bool has_more = !writing_ && compaction_->is_due() && compact();
    return has_more || !gone.empty();
}

// One turn. True: there may be more.
bool Log::compact() {
    if (commits_ < compaction_commit_min_) return false;
    const auto room = compaction_->begin_turn(scarce_room());
    if (compaction_->is_disk_busy()) {
        compaction_->put_off();
        return false;
    }
    if (!room) {
        if (const auto ended = compaction_->take_ended()) tell_uncopied(*ended);
        return compaction_->is_due();
    }
    // A copy must not be certain before what it is a copy of, and the reports that came with that.
    sync();
    if (is_broken()) return false;
    if (auto made = make_room(Stream::cold, *room); !made) {
        put_compaction_off(made.error());
        return false;
    }
    Batch batch({*segments_, index_, uploads_}, Stream::cold, next_lsn_);
    compaction_->fill(batch);
    if (!batch.is_empty()) {
        if (auto written = write_batch(Stream::cold, batch); !written) {
            put_compaction_off(written.error());
            // Half of a copy must not come back after its message has gone.
            if (is_broken()) return false;
            if (auto cut = segments_->cut(Stream::cold); !cut) break_down(cut.error());
            return false;
        }
        copied_bytes_ += batch.bytes().size();
        apply(batch);
        drop_needless(false);
    }
    is_compaction_put_off_ = false;
    if (compaction_->is_disk_busy()) compaction_->put_off();
    check_space_if_due();
    return !compaction_->is_disk_busy();
}

// What neither dies with the next sync nor belongs to a body that is still coming in is damaged.
void Log::tell_uncopied(SegmentBytes left) {
    const auto take_off = [&left](const SegmentBytes& piece) {
        if (piece.segment == left.segment) left.bytes -= piece.bytes;
    };
    std::ranges::for_each(needless_, take_off);
    for (const auto& [id, upload] : uploads_) std::ranges::for_each(upload.bodies, take_off);
    if (left.bytes > 0) reader_->keep_uncopied(left.segment, left.bytes);
}

// The disk is full, or something else is missing for now: what is not copied stays where it is.
void Log::put_compaction_off(const DiskError& error) {
    const bool may_pass = error.is_no_space() || error.is_temporary();
    if (!may_pass || segments_->has_sync_failed()) return break_down(error);
    compaction_->put_off();
    compaction_commit_min_ = commits_ + compaction_pause_commits;
    if (std::exchange(is_compaction_put_off_, true)) return;
    const mta::MutexLock lock(refusal_mutex_);
    notes_.push_back(
        "nearly empty segments cannot be copied together for now, so they keep their "
        "room: " +
        error.text);
}

DiskResult<void> Log::write_mark(Stream stream, std::uint64_t ceiling) {
    if (!segments_->is_open(stream)) return {};
    Batch mark({*segments_, index_, uploads_}, stream, next_lsn_);
    // Pieces of bodies that never got their ENQ need no sync, but the mark speaks for all.
    if (!segments_->is_synced(stream)) {
        if (auto synced = segments_->sync(stream); !synced) return synced;
    }
    mark.complete(next_lsn_ - 1, ceiling);
    if (auto written = segments_->append(stream, mark.bytes()); !written) return written;
    next_lsn_ = mark.last_lsn() + 1;
    if (auto synced = segments_->sync(stream); !synced) return synced;
    durable_lsn(stream) = mark.last_lsn();
    return {};
}

void Log::close(const std::function<bool()>& has_time) {
    MTA_ASSERT(!has_work() || is_stalled());
    if (std::exchange(is_closed_, true) || is_broken() || is_stalled()) return;
    // The hot one last: its word about the ids is the newest.
    if (!write_mark(Stream::cold, next_id_) || !write_mark(Stream::hot, next_id_)) return;
    housekeeping_->finish(has_time);
}

std::vector<Completion> Log::fail_everything() {
    const StoreResult<void> why = std::unexpected(*refusal());
    std::vector<Completion> completions;
    if (writing_) {
        for (const auto& operation : writing_->operations)
            segment_log::answer(operation, why, completions);
        writing_.reset();
    }
    pending_->answer_all(why, completions);
    return completions;
}

}  // namespace queue::segment_log
