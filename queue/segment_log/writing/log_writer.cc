#include "queue/segment_log/writing/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "mta/base/assert.h"
#include "queue/segment_log/disk/spool_folder.h"

namespace queue::segment_log {
namespace {

// The free space is looked at again after so many commits, and after so many bytes: far fewer than
// what is kept free, so that new mail is refused before the disk is full.
constexpr std::uint32_t space_check_commits = 64;
constexpr std::uint64_t space_check_bytes = 16u << 20;
constexpr std::uint64_t compaction_look_commits = 8;
constexpr std::uint64_t compaction_pause_commits = 64;

}  // namespace

LogWriter::LogWriter(const Parts& parts)
    : disk_(parts.disk),
      options_(parts.options),
      housekeeping_(parts.housekeeping),
      uses_(parts.uses),
      index_(parts.index),
      reader_(parts.reader),
      condition_(parts.condition),
      space_(parts.space),
      next_id_(parts.next_id),
      streams_(parts.options, parts.housekeeping, parts.uses, parts.next_id),
      compaction_(parts.uses, parts.files, parts.index, parts.reader),
      effects_(parts.index, parts.uses, compaction_) {}

LogWriter::~LogWriter() = default;

Batch LogWriter::make_batch(Stream stream) {
    return {{streams_.at(stream), uses_, index_, uploads_}, streams_.next_lsn()};
}

// ---- The start ----

StoreResult<void> LogWriter::start(bool has_cold) {
    // The hot stream comes first, because the outcomes of queued mail are written there.
    for (const auto stream : {Stream::hot, Stream::cold}) {
        if (stream == Stream::cold && (!has_cold || is_full())) continue;
        auto started = start_stream(stream);
        if (started) continue;
        if (is_lack_of_room(started.error())) {
            begin_full(started.error());
            continue;
        }
        // A start that fails again and again would fill the disk with segments. One that cannot be
        // removed holds no mail, and a later start uses it.
        for (const auto made : {Stream::hot, Stream::cold}) {
            if (!streams_.at(made).is_open()) continue;
            [[maybe_unused]] const auto removed =
                disk_.remove(segment_path(streams_.at(made).number()));
        }
        return std::unexpected(to_store_error(started.error()));
    }
    // No outcome could be written, so no delivery begins before this operation finds a place.
    const auto& hot = streams_.hot();
    if (!hot.is_open() || hot.is_fresh()) {
        pending_.add({.shard = 0, .ticket = 0, .what = Barrier{}});
        if (auto full = condition_.reason(Trouble::full)) {
            condition_.set(Trouble::stalled, std::move(*full));
        }
    }
    space_.look();
    return {};
}

DiskResult<void> LogWriter::start_stream(Stream stream) {
    auto started = streams_.start_next(stream);
    return started ? streams_.write_mark(stream, make_batch(stream), streams_.id_ceiling())
                   : started;
}

void LogWriter::adopt_old_mail(const AdoptOldMail& old) {
    for (const auto& count : old.counts) {
        if (!uses_.contains(count.number)) continue;
        if (count.live_bytes > 0) uses_.add_live({count.number, count.live_bytes});
        for (const auto& done : count.dones) uses_.add_done(count.number, done);
    }
    uses_.hold_back(false);
    compaction_.earn(uses_.bytes() - uses_.live_bytes());
    compaction_.look_again();
    is_loaded_ = true;
}

// ---- A commit ----

void LogWriter::submit(Operation operation) {
    MTA_ASSERT(!is_closed_);
    if (const auto* old = std::get_if<AdoptOldMail>(&operation.what)) {
        adopt_old_mail(*old);
        return;
    }
    if (refused_.must_refuse(operation, is_full())) {
        refused_.refuse(operation, why_mail_is_refused());
    }
    pending_.add(std::move(operation));
}

bool LogWriter::has_work() const { return writing_ || !pending_.empty() || refused_.has_answers(); }

std::uint64_t LogWriter::carried_bytes() const {
    return uses_.dones_to_carry().size() * SegmentUses::carried_bytes;
}

bool LogWriter::prepare() {
    if (!writing_) writing_ = gather(pending_, uploads_, options_, carried_bytes());
    if (!writing_) return false;
    if (writing_->batch) return true;
    if (auto place = find_place(); !place) {
        break_down_or_stall(place.error());
        return false;
    }
    auto batch = std::make_unique<Batch>(make_batch(Stream::hot));
    for (const auto& mark : uses_.dones_to_carry()) batch->carry(mark);
    writing_->completions.reserve(writing_->operations.size());
    for (const auto& operation : writing_->operations) {
        StoreResult<void> result;
        if (!batch->add(operation)) {
            result = std::unexpected(
                StoreError{StoreError::Kind::not_found, "the message is not in the spool"});
        }
        answer(operation, result, writing_->completions);
    }
    compaction_.earn(batch->discarded_bytes());
    writing_->batch = std::move(batch);
    return true;
}

std::vector<Completion> LogWriter::commit() {
    auto completions = commit_batch();
    refused_.take_answers(completions);
    return completions;
}

std::vector<Completion> LogWriter::commit_batch() {
    if (break_if_housekeeping_failed()) return fail_everything();
    if (!prepare()) return is_broken() ? fail_everything() : std::vector<Completion>();
    if (auto written = write_prepared(); !written) {
        if (is_lack_of_room(written.error())) begin_full(written.error());
        break_down_or_stall(written.error());
        return is_broken() ? fail_everything() : std::vector<Completion>();
    }
    condition_.clear(Trouble::stalled);
    effects_.apply(*writing_->batch, streams_.hot().number());
    if (!streams_.is_sync_due()) drop_superseded(BatchEffects::Cause::writing);
    auto completions = std::move(writing_->completions);
    writing_.reset();
    ++commits_;
    if (commits_ % space_check_commits == 0) is_space_check_due_ = true;
    check_space_if_due();
    if (commits_ % compaction_look_commits == 0) compaction_.look_again();
    return completions;
}

DiskResult<void> LogWriter::write_prepared() {
    auto& batch = *writing_->batch;
    if (!batch.is_empty()) {
        auto written = streams_.write(Stream::hot, batch);
        if (written) unchecked_bytes_ += batch.bytes().size();
        return written;
    }
    const bool must_sync =
        batch.certainty() == Batch::Certainty::now && streams_.hot().holds_unsynced();
    return must_sync ? streams_.sync(Stream::hot) : DiskResult<void>();
}

void LogWriter::drop_superseded(BatchEffects::Cause cause) {
    streams_.forget_sync();
    effects_.drop_superseded(cause);
}

void LogWriter::sync() {
    if (!streams_.is_sync_due() || is_broken()) return;
    if (auto synced = streams_.sync(Stream::hot); !synced) return break_down(synced.error());
    drop_superseded(BatchEffects::Cause::writing);
}

void LogWriter::check_space_if_due() {
    if (!is_space_check_due_ && unchecked_bytes_ < space_check_bytes) return;
    is_space_check_due_ = false;
    unchecked_bytes_ = 0;
    look_for_room();
}

void LogWriter::close(const std::function<bool()>& has_time) {
    const bool is_stalled = condition_.has(Trouble::stalled);
    MTA_ASSERT(!has_work() || is_stalled);
    if (std::exchange(is_closed_, true) || is_broken() || is_stalled) return;
    // The hot stream comes last, because its mark must have the newest word about the ids.
    for (const auto stream : {Stream::cold, Stream::hot}) {
        if (!streams_.write_mark(stream, make_batch(stream), next_id_)) return;
    }
    housekeeping_.finish(has_time);
}

// ---- Room ----

DiskResult<void> LogWriter::make_room(Stream stream, std::uint64_t bytes) {
    auto& writer = streams_.at(stream);
    const bool is_short = stream == Stream::hot && space_.is_short();
    streams_.save_room(space_.is_scarce());
    if (writer.is_open() && (writer.is_fresh() || writer.end() + bytes <= options_.segment_bytes)) {
        return is_short ? writer.reserve(bytes) : DiskResult<void>();
    }
    auto started = streams_.start_next(stream);
    if (stream == Stream::hot && !writer.holds_unsynced()) {
        drop_superseded(BatchEffects::Cause::writing);
    }
    if (!started && streams_.has_sync_failed()) break_down(started.error());
    is_space_check_due_ = true;
    compaction_.look_again();
    return started && is_short ? writer.reserve(bytes) : started;
}

DiskError LogWriter::room_is_kept() const {
    return {ENOSPC, "what is left on " + disk_.root() +
                        " is kept for the outcomes of queued mail: " +
                        std::generic_category().message(ENOSPC)};
}

// On a full disk, mail is refused first: the rest of the batch is small, and may find a place that
// the whole batch did not.
DiskResult<void> LogWriter::find_place() {
    const auto look = [this]() -> DiskResult<void> {
        const auto bytes = writing_->bytes + carried_bytes();
        if (space_.is_short() && writing_->has_mail()) {
            space_.look();
            if (!space_.has_room_for_mail(bytes)) return std::unexpected(room_is_kept());
        }
        return make_room(Stream::hot, bytes);
    };
    auto room = look();
    if (room || !is_lack_of_room(room.error())) return room;
    begin_full(room.error());
    writing_->measure(uploads_);
    return look();
}

// After a failed sync it is not known what is on the disk, so it is never only a lack of room.
bool LogWriter::is_lack_of_room(const DiskError& error) const {
    return error.is_no_space() && !streams_.has_sync_failed() && !is_broken();
}

void LogWriter::begin_full(const DiskError& error) {
    room_wanted_ = std::max(options_.zero_ahead_bytes, writing_ ? writing_->bytes : 0);
    room_wanted_ = std::min(room_wanted_, options_.segment_bytes - segment_header_bytes);
    if (!is_full()) {
        const auto text = "the disk of the spool is full: " + error.text +
                          ". New mail is refused until there is room again; outcomes of "
                          "deliveries that find no room wait in memory";
        condition_.set(Trouble::full, {StoreError::Kind::no_space, text});
        condition_.add_note(text);
    }
    RefusedMail::EndedMail ended;
    const auto look = [&ended](const Operation& operation) {
        const auto* finish = std::get_if<Finish>(&operation.what);
        if (finish != nullptr && finish->reports.empty()) ended.insert(finish->id);
    };
    pending_.visit(look);
    if (writing_) std::ranges::for_each(writing_->operations, look);
    const auto why = why_mail_is_refused();
    const auto refuse = [&](Operation& operation) { refused_.refuse(operation, why, ended); };
    // In the order of the requests, since a message comes behind the pieces of its body.
    if (writing_ && writing_->batch) {
        take_back_mail(ended);
    } else if (writing_) {
        std::ranges::for_each(writing_->operations, refuse);
    }
    pending_.visit(refuse);
}

StoreError LogWriter::why_mail_is_refused() const {
    return condition_.reason(Trouble::full)
        .value_or(StoreError{StoreError::Kind::no_space, "a part of it found no room"});
}

// The batch is made, and a part of it may be in the file. So it has to be written as it is, and the
// next batch ends the mail in it that was refused.
void LogWriter::take_back_mail(const RefusedMail::EndedMail& ended) {
    const auto why = why_mail_is_refused();
    for (auto& operation : writing_->operations) {
        const auto ticket = operation.ticket;
        const auto shard = operation.shard;
        const auto* enqueue = std::get_if<Enqueue>(&operation.what);
        const auto id = enqueue != nullptr ? enqueue->message->id : 0;
        if (enqueue == nullptr && !std::holds_alternative<AppendBody>(operation.what)) continue;
        std::erase_if(writing_->completions, [&](const Completion& completion) {
            return completion.shard == shard && completion.ticket == ticket;
        });
        refused_.refuse(operation, why, ended);
        auto end = std::exchange(operation.what, Barrier{});
        if (enqueue != nullptr) end = Finish{.id = id, .reports = {}, .is_awaited = false};
        pending_.add({.shard = shard, .ticket = 0, .what = std::move(end)});
    }
}

void LogWriter::look_for_room() {
    space_.look();
    // A batch that is being written looks for room itself.
    if (!is_full() || writing_ || is_broken()) return;
    // One segment more than is kept, so that the next batch does not refuse mail again.
    if (!space_.has_room_for_mail(options_.segment_bytes)) return;
    auto made = make_room(Stream::hot, room_wanted_);
    // It may be the first one since the start.
    if (made && streams_.hot().is_fresh()) {
        made = streams_.write_mark(Stream::hot, make_batch(Stream::hot), streams_.id_ceiling());
    }
    if (!made) {
        if (!is_lack_of_room(made.error()) && !made.error().is_temporary())
            break_down(made.error());
        return;
    }
    condition_.clear(Trouble::full);
    condition_.add_note("there is room on the disk of the spool again: new mail is taken");
}

// ---- What is done besides ----

bool LogWriter::tend() {
    if (break_if_housekeeping_failed()) return false;
    const auto gone = uses_.recycle();
    recycled_ += gone.size();
    for (const auto number : gone) index_.forget_old_home(number);
    if (!gone.empty()) compaction_.look_again();
    // A batch that could not be written yet has lsns already.
    const bool has_more = !writing_ && compaction_.is_due() && compact();
    return has_more || !gone.empty();
}

// Takes one turn. Returns true if there may be more to do.
bool LogWriter::compact() {
    if (commits_ < compaction_commit_min_) return false;
    const auto room = compaction_.begin_turn(space_.scarce_bytes());
    if (compaction_.is_disk_busy()) {
        compaction_.put_off();
        return false;
    }
    if (!room) {
        if (const auto ended = compaction_.take_ended()) report_uncopied(*ended);
        return compaction_.is_due();
    }
    // A copy must not be certain before its original and the reports that came with that.
    sync();
    if (is_broken() || !write_copies(*room)) return false;
    is_compaction_put_off_ = false;
    if (compaction_.is_disk_busy()) compaction_.put_off();
    check_space_if_due();
    return !compaction_.is_disk_busy();
}

bool LogWriter::write_copies(std::uint64_t room) {
    if (auto made = make_room(Stream::cold, room); !made) {
        put_compaction_off(made.error());
        return false;
    }
    auto batch = make_batch(Stream::cold);
    compaction_.fill(batch);
    if (batch.is_empty()) return true;
    if (auto written = streams_.write(Stream::cold, batch); !written) {
        put_compaction_off(written.error());
        // Half of a copy must not come back after its message has gone.
        if (is_broken()) return false;
        if (auto cut = streams_.at(Stream::cold).cut(); !cut) break_down(cut.error());
        return false;
    }
    unchecked_bytes_ += batch.bytes().size();
    copied_bytes_ += batch.bytes().size();
    effects_.apply(batch, streams_.hot().number());
    drop_superseded(BatchEffects::Cause::copying);
    return true;
}

// Live bytes that neither die with the next sync nor belong to a body on its way are damaged.
void LogWriter::report_uncopied(SegmentBytes left) {
    const auto take_off = [&left](const SegmentBytes& piece) {
        if (piece.segment == left.segment) left.bytes -= piece.bytes;
    };
    std::ranges::for_each(effects_.superseded(), take_off);
    for (const auto& [id, upload] : uploads_) std::ranges::for_each(upload.bodies, take_off);
    if (left.bytes > 0) reader_.keep_uncopied(left.segment, left.bytes);
}

// The disk is full, or something else is missing for now. What is not copied stays where it is.
void LogWriter::put_compaction_off(const DiskError& error) {
    const bool may_pass = error.is_no_space() || error.is_temporary();
    if (!may_pass || streams_.has_sync_failed()) return break_down(error);
    compaction_.put_off();
    compaction_commit_min_ = commits_ + compaction_pause_commits;
    if (std::exchange(is_compaction_put_off_, true)) return;
    condition_.add_note(
        "nearly empty segments cannot be copied together for now, so they keep their "
        "room: " +
        error.text);
}

// ---- Failures ----

bool LogWriter::break_if_housekeeping_failed() {
    if (housekeeping_.has_failed()) break_down(*housekeeping_.failure());
    return is_broken();
}

void LogWriter::break_down(const DiskError& error) {
    streams_.forget_sync();  // nothing is synced any more
    condition_.set(Trouble::broken, to_store_error(error));
}

void LogWriter::break_down_or_stall(const DiskError& error) {
    if (!error.is_temporary() && !is_lack_of_room(error)) return break_down(error);
    auto why = to_store_error(error);
    why.text += ": new mail is refused until that is over";
    // A full disk has its note already.
    if (!condition_.has(Trouble::stalled) && !is_full()) condition_.add_note(why.text);
    condition_.set(Trouble::stalled, std::move(why));
}

std::vector<Completion> LogWriter::fail_everything() {
    const StoreResult<void> why = std::unexpected(*condition_.refusal());
    std::vector<Completion> completions;
    if (writing_) {
        for (const auto& operation : writing_->operations) answer(operation, why, completions);
        writing_.reset();
    }
    pending_.answer_all(why, completions);
    return completions;
}

}  // namespace queue::segment_log
