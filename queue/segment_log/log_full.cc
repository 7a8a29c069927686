// What the log does on a disk that is full: new mail is refused, and what comes of the mail that is
// queued waits until it can be written.
#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/log.h"
#include "queue/segment_log/segments/segments.h"
#include "queue/segment_log/writing/batch.h"
#include "queue/segment_log/writing/pending.h"

namespace queue::segment_log {
namespace {

// With less than this the room for a batch is taken before the batch is made: more than is written
// between two looks at the free space.
constexpr std::uint64_t low_room_bytes = 64u << 20;
// The newest state of a queued message with one recipient, and its end: about twice what they take,
// since older states are still on the disk when newer ones are written.
constexpr std::uint64_t outcome_bytes = 512;
// A disk holds at least so many segments, unless they would become smaller than the minimum.
constexpr std::uint64_t segments_per_disk_min = 32;
constexpr std::uint64_t fitted_bytes_min = 64u << 10;

}  // namespace

// On a disk without room for the new segments the log starts full: no mail is taken, and a stream
// gets its segment with the first write that finds room for it.
StoreResult<void> Log::start_streams(bool has_cold) {
    // The hot one first: what comes of the queued mail is written there.
    for (const auto stream : {Stream::hot, Stream::cold}) {
        if (stream == Stream::cold && (!has_cold || is_full_)) continue;
        auto started = start_stream(stream);
        if (started) continue;
        if (is_lack_of_room(started.error())) {
            begin_full(started.error());
            continue;
        }
        // A start that fails again and again would fill the disk with them. One that cannot be
        // removed holds no mail, and a later start uses it.
        for (const auto made : {Stream::hot, Stream::cold}) {
            if (!segments_->is_open(made)) continue;
            [[maybe_unused]] const auto removed =
                disk_.remove(segment_path(segments_->current(made)));
        }
        return std::unexpected(to_store_error(started.error()));
    }
    // No outcome could be written: no delivery begins before this finds a place.
    if (!segments_->is_open(Stream::hot) || segments_->is_fresh(Stream::hot)) {
        pending_->add({.shard = 0, .ticket = 0, .what = Barrier{}});
        set_stalled(why_full());
    }
    check_space();
    return {};
}

// The new segment of a stream says that the one before was certain, and where it ends. No id is
// given away before it is certain that no later start gives it again.
DiskResult<void> Log::start_stream(Stream stream) {
    auto started = segments_->start_next(stream, next_lsn_);
    return started ? write_mark(stream, id_ceiling()) : started;
}

// The room that is kept free is counted in segments, so a small disk gets small ones.
LogOptions Log::fit(LogOptions options, Disk& disk) {
    const auto space = disk.space();
    if (!space) return options;
    const auto share = std::max(fitted_bytes_min, space->total_bytes / segments_per_disk_min);
    options.segment_bytes = std::min(options.segment_bytes, share);
    return options;
}

bool Log::is_short_of_room() const {
    return is_full_ || free_bytes_ < low_room_bytes + kept_bytes_;
}

// The room that is kept free of mail: a segment of the hot stream for outcomes, one of the cold
// stream for the copies that let other segments go, and what stays of each message's outcomes. On a
// disk that small messages fill, mail still gets half.
std::uint64_t Log::outcome_room(const DiskSpace& space) const {
    const auto wanted = stream_count * options_.segment_bytes + outcome_bytes * index_.size();
    return std::min(wanted, space.total_bytes / 2);
}

// One segment above the room that is kept, which is also where mail is taken again: what the log
// could do without takes no room from there on.
bool Log::is_saving() const {
    return is_full_ || free_bytes_ < kept_bytes_ + options_.segment_bytes;
}

// What is left for copies; 0: room is not scarce.
std::uint64_t Log::scarce_room() const { return is_saving() ? free_bytes_.load() : 0; }

bool Log::writes_mail() const {
    return std::ranges::any_of(writing_->operations, [](const Operation& operation) {
        return std::holds_alternative<Enqueue>(operation.what) ||
               std::holds_alternative<AppendBody>(operation.what);
    });
}

DiskError Log::room_is_kept() const {
    return {ENOSPC, "what is left on " + disk_.root() +
                        " is kept for the outcomes of queued mail: " +
                        std::generic_category().message(ENOSPC)};
}

// The place for what is to be written. On a full disk mail is refused first: what is left is
// little, and may find a place that all of it did not.
DiskResult<void> Log::find_place() {
    const auto look = [this]() -> DiskResult<void> {
        const auto carried = segments_->dones_to_carry().size() * Batch::carried_bytes;
        const auto bytes = writing_->bytes + carried;
        if (is_short_of_room() && writes_mail()) {
            check_space();
            if (free_bytes_ < bytes + kept_bytes_) return std::unexpected(room_is_kept());
        }
        return make_room(Stream::hot, bytes);
    };
    auto room = look();
    if (room || !is_lack_of_room(room.error())) return room;
    begin_full(room.error());
    writing_->bytes = Batch::lead_bytes;
    for (const auto& operation : writing_->operations)
        writing_->bytes += Batch::bytes_max(operation, uploads_, 0);
    return look();
}

// After a sync that failed nobody knows what is on the disk: that is never only a lack of room.
bool Log::is_lack_of_room(const DiskError& error) const {
    return error.is_no_space() && !segments_->has_sync_failed() && !is_broken();
}

void Log::begin_full(const DiskError& error) {
    room_wanted_ = std::max(options_.zero_ahead_bytes, writing_ ? writing_->bytes : 0);
    room_wanted_ = std::min(room_wanted_, options_.segment_bytes - segment_header_bytes);
    if (!std::exchange(is_full_, true)) {
        const mta::MutexLock lock(refusal_mutex_);
        full_ = StoreError{StoreError::Kind::no_space,
                           "the disk of the spool is full: " + error.text +
                               ". New mail is refused until there is room again; outcomes of "
                               "deliveries that find no room wait in memory"};
        notes_.push_back(full_->text);
    }
    EndedMail ended;
    const auto look = [&ended](const Operation& operation) {
        const auto* finish = std::get_if<Finish>(&operation.what);
        if (finish != nullptr && finish->reports.empty()) ended.insert(finish->id);
    };
    pending_->visit(look);
    if (writing_) std::ranges::for_each(writing_->operations, look);
    const auto refuse = [&](Operation& operation) { refuse_mail(operation, ended); };
    // In the order in which they were asked for: a message comes behind the pieces of its body.
    if (writing_ && writing_->batch) {
        take_back_mail(ended);
    } else if (writing_) {
        std::ranges::for_each(writing_->operations, refuse);
    }
    pending_->visit(refuse);
}

// Nobody was told that this mail is safe. What was delivered from memory meanwhile is: then nothing
// of it has to be kept.
void Log::refuse_mail(Operation& operation, const EndedMail& ended) {
    StoreResult<void> result = std::unexpected(
        why_full().value_or(StoreError{StoreError::Kind::no_space, "a part of it found no room"}));
    MessageId id = 0;
    if (const auto* enqueue = std::get_if<Enqueue>(&operation.what)) {
        id = enqueue->message->id;
        cut_off_.erase(id);
        if (ended.contains(id)) result = {};
    } else if (const auto* body = std::get_if<AppendBody>(&operation.what)) {
        id = body->id;
        cut_off_.insert(id);
    } else {
        return;
    }
    segment_log::answer(operation, result, refused_);
    operation = {.shard = operation.shard, .ticket = 0, .what = DiscardBody{id}};
}

// One piece of its body is missing now: the rest and the message are refused as well.
bool Log::is_refused(const Operation& operation) {
    if (const auto* enqueue = std::get_if<Enqueue>(&operation.what))
        return is_full_ || cut_off_.contains(enqueue->message->id);
    if (const auto* body = std::get_if<AppendBody>(&operation.what))
        return is_full_ || cut_off_.contains(body->id);
    if (const auto* discard = std::get_if<DiscardBody>(&operation.what))
        cut_off_.erase(discard->id);
    return false;
}

// The batch is made, and a part of it may be in the file: it has to be written as it is, and what
// was refused of it ends in the next one.
void Log::take_back_mail(const EndedMail& ended) {
    for (auto& operation : writing_->operations) {
        const auto ticket = operation.ticket;
        const auto shard = operation.shard;
        const auto* enqueue = std::get_if<Enqueue>(&operation.what);
        const auto id = enqueue != nullptr ? enqueue->message->id : 0;
        if (enqueue == nullptr && !std::holds_alternative<AppendBody>(operation.what)) continue;
        std::erase_if(writing_->completions, [&](const Completion& completion) {
            return completion.shard == shard && completion.ticket == ticket;
        });
        refuse_mail(operation, ended);
        auto end = std::exchange(operation.what, Barrier{});
        if (enqueue != nullptr) end = Finish{.id = id, .reports = {}, .is_awaited = false};
        pending_->add({.shard = shard, .ticket = 0, .what = std::move(end)});
    }
}

void Log::look_for_room() {
    check_space();
    // What is being written looks by itself.
    if (!is_full_ || writing_ || is_broken()) return;
    // A segment more than is kept: mail is not refused again by the next batch.
    if (free_bytes_ < kept_bytes_ + options_.segment_bytes) return;
    auto made = make_room(Stream::hot, room_wanted_);
    // It may be the first one since the start.
    if (made && segments_->is_fresh(Stream::hot)) made = write_mark(Stream::hot, id_ceiling());
    if (!made) {
        if (!is_lack_of_room(made.error()) && !made.error().is_temporary())
            break_down(made.error());
        return;
    }
    is_full_ = false;
    const mta::MutexLock lock(refusal_mutex_);
    full_.reset();
    notes_.emplace_back("there is room on the disk of the spool again: new mail is taken");
}

}  // namespace queue::segment_log
