#include "queue/log/log.h"

#include <algorithm>

#include "mta/base/assert.h"
#include "mta/base/time_format.h"
#include "queue/log/batch.h"
#include "queue/log/log_reader.h"
#include "queue/log/recovery.h"
#include "queue/log/segments.h"
#include "queue/log/spool_folder.h"

namespace queue::log {
namespace {

// Ids given away between two batches; more would have to be given without one single message
// written between, and even then only a crash at that moment could give one twice.
constexpr std::uint64_t ids_reserved = 65'536;
constexpr std::uint64_t space_check_batches = 64;

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
    // Before anything is touched: it may be a newer posthouse's.
    const auto known = read_version(disk_);
    if (!known) return std::unexpected(known.error());
    auto recovered = recover(disk_, options_);
    if (!recovered) return std::unexpected(std::move(recovered).error());
    auto spool = settle_version(*known, *recovered);
    if (!spool) return std::unexpected(std::move(spool).error());
    segments_ = std::make_unique<Segments>(disk_, options_, *spool);
    adopt(*recovered);
    if (auto started = segments_->start_next(next_lsn_, id_ceiling()); !started) {
        return std::unexpected(to_store_error(started.error()));
    }
    recycled_ += segments_->recycle();
    check_space();
    return {};
}

// VERSION is the word for people and for a newer format; the spool's identity is in each segment
// too, so a lost file is made again.
StoreResult<Uuid> Log::settle_version(const std::optional<SpoolVersion>& known,
                                      const Recovered& recovered) {
    if (known && (!recovered.has_spool || known->spool == recovered.spool)) return known->spool;
    const auto spool = recovered.has_spool ? recovered.spool : make_uuid(options_.random_seed);
    if (recovered.has_spool) {
        report_.notes.emplace_back("VERSION was missing or not this spool's; it is written anew");
    }
    if (auto written = write_version(disk_, {.spool = spool}); !written) {
        return std::unexpected(written.error());
    }
    return spool;
}

void Log::adopt(Recovered& recovered) {
    auto notes = std::move(report_.notes);
    report_ = std::move(recovered.report);
    report_.notes.insert(report_.notes.end(), notes.begin(), notes.end());
    next_lsn_ = recovered.next_lsn;
    durable_lsn_ = next_lsn_ - 1;
    next_id_ = recovered.next_id;
    segments_->reserve_number(recovered.number_max);
    for (const auto& segment : recovered.segments) {
        segments_->adopt(segment.number, segment.generation, segment.end);
        if (segment.pinned_bytes > 0) segments_->add_live(segment.number, segment.pinned_bytes);
        for (const auto& done : segment.dones) segments_->add_done(segment.number, done);
        segments_->set_previous(segment.number, segment.end);
    }
    for (auto& path : recovered.free_paths) segments_->adopt_free(std::move(path));
    std::deque<MessageId> order;
    for (auto& [id, message] : recovered.messages) {
        segments_->add_live(message.enqueue.segment, message.enqueue.bytes);
        if (message.state.bytes > 0) {
            segments_->add_live(message.state.segment, message.state.bytes);
        }
        for (const auto& body : message.bodies) segments_->add_live(body.segment, body.bytes);
        order.push_back(id);
        index_.add(id, std::move(message));
    }
    reader_ = std::make_unique<LogReader>(disk_, index_, *segments_, std::move(order));
}

void Log::submit(Operation operation) {
    MTA_ASSERT(!is_closed_);
    pending_.push_back(std::move(operation));
}

std::vector<Operation> Log::take_batch(std::uint64_t& bytes) {
    std::vector<Operation> taken;
    bytes = Batch::lead_bytes + segments_->dones_to_carry().size() * Batch::carried_bytes;
    // A batch also keeps within a segment, so that a segment is as large as it was meant to be.
    const auto bytes_max =
        std::min(options_.batch_bytes_max, options_.segment_bytes - segment_header_bytes);
    std::uint32_t records = 0;
    std::size_t pieces = 0;
    while (!pending_.empty()) {
        const auto more = Batch::bytes_max(pending_.front(), uploads_, pieces);
        records += Batch::record_count(pending_.front());
        if (!taken.empty() && (bytes + more > bytes_max || records > options_.batch_records_max)) {
            break;
        }
        bytes += more;
        if (std::holds_alternative<AppendBody>(pending_.front().what)) ++pieces;
        taken.push_back(std::move(pending_.front()));
        pending_.pop_front();
    }
    return taken;
}

std::uint64_t Log::id_ceiling() const { return next_id_ + ids_reserved; }

DiskResult<void> Log::make_room(std::uint64_t bytes) {
    if (segments_->is_fresh() || segments_->end() + bytes <= options_.segment_bytes) return {};
    auto started = segments_->start_next(next_lsn_, id_ceiling());
    // Closing a segment syncs it.
    if (started) durable_lsn_ = next_lsn_ - 1;
    return started;
}

DiskResult<void> Log::write_batch(Batch& batch) {
    batch.complete(durable_lsn_, id_ceiling());
    if (auto written = segments_->append(batch.bytes()); !written) return written;
    ++batches_;
    next_lsn_ = batch.last_lsn() + 1;
    if (!batch.needs_sync()) {
        // The sync of a large message, in which others wait too, then finds little left to do.
        segments_->start_writing();
        return {};
    }
    if (auto synced = segments_->sync(); !synced) return synced;
    ++syncs_;
    durable_lsn_ = batch.last_lsn();
    return {};
}

std::vector<Completion> Log::commit() {
    if (is_broken()) return fail_everything({});
    std::uint64_t bytes = 0;
    auto taken = take_batch(bytes);
    if (taken.empty()) return {};
    if (auto room = make_room(bytes); !room) {
        break_down(room.error());
        return fail_everything(std::move(taken));
    }
    Batch batch(*segments_, index_, uploads_, next_lsn_);
    for (const auto& mark : segments_->dones_to_carry()) batch.carry(mark);
    std::vector<Completion> completions;
    completions.reserve(taken.size());
    for (const auto& operation : taken) {
        StoreResult<void> result;
        if (!batch.add(operation)) {
            result = std::unexpected(
                StoreError{StoreError::Kind::not_found, "the message is not in the spool"});
        }
        completions.push_back({operation.shard, operation.ticket, std::move(result)});
    }
    if (!batch.is_empty()) {
        if (auto written = write_batch(batch); !written) {
            break_down(written.error());
            return fail_everything(std::move(taken));
        }
    }
    apply(batch);
    if (batches_ % space_check_batches == 0) check_space();
    return completions;
}

// The batch is certain: what it makes needless may go.
void Log::apply(Batch& batch) {
    const auto current = segments_->current();
    bool has_carried = false;
    for (auto& effect : batch.effects()) {
        if (auto* added = std::get_if<Batch::Added>(&effect)) {
            segments_->add_live(current, added->message.enqueue.bytes);
            index_.add(added->id, std::move(added->message));
        } else if (auto* state = std::get_if<Batch::StateWritten>(&effect)) {
            const auto before = index_.set_state(state->id, state->where);
            if (!before) continue;  // finished in the same batch
            segments_->add_live(current, state->where.bytes);
            if (before->bytes > 0) segments_->drop_live(before->segment, before->bytes);
        } else if (auto* done = std::get_if<Batch::DoneWritten>(&effect)) {
            segments_->add_done(current, done->mark);
            has_carried = has_carried || done->is_carried;
            if (done->is_carried) continue;
            const auto message = index_.remove(done->mark.id);
            if (!message) continue;
            segments_->drop_live(message->enqueue.segment, message->enqueue.bytes);
            if (message->state.bytes > 0) {
                segments_->drop_live(message->state.segment, message->state.bytes);
            }
            for (const auto& body : message->bodies) {
                segments_->drop_live(body.segment, body.bytes);
            }
        }
    }
    if (has_carried) segments_->carried();
    recycled_ += segments_->recycle();
}

void Log::close() {
    MTA_ASSERT(pending_.empty());
    if (std::exchange(is_closed_, true) || is_broken()) return;
    Batch mark(*segments_, index_, uploads_, next_lsn_);
    // Pieces of bodies that never got their ENQ need no sync, but the mark speaks for all.
    if (!segments_->is_synced() && !segments_->sync()) return;
    mark.complete(next_lsn_ - 1, next_id_);
    if (segments_->append(mark.bytes())) [[maybe_unused]]
        const auto synced = segments_->sync();
}

bool Log::is_broken() const {
    const std::lock_guard guard(refusal_mutex_);
    return broken_.has_value();
}

void Log::break_down(const DiskError& error) {
    const std::lock_guard guard(refusal_mutex_);
    broken_ = to_store_error(error);
}

std::vector<Completion> Log::fail_everything(std::vector<Operation> taken) {
    const auto why = refusal();
    std::vector<Completion> completions;
    const auto fail = [&](const Operation& operation) {
        completions.push_back({operation.shard, operation.ticket, std::unexpected(*why)});
    };
    std::ranges::for_each(taken, fail);
    std::ranges::for_each(pending_, fail);
    pending_.clear();
    return completions;
}

ReadAnswer Log::answer(const ReadRequest& request) {
    ReadAnswer answer{.shard = request.shard, .ticket = request.ticket, .what = {}};
    if (const auto* message = std::get_if<ReadMessage>(&request.what)) {
        answer.what = reader_->read_message(message->id);
    } else if (const auto* body = std::get_if<ReadBody>(&request.what)) {
        answer.what = reader_->read_body(body->id, body->offset, body->length);
    } else {
        answer.what = reader_->load_next();
    }
    return answer;
}

std::optional<StoreError> Log::refusal() const {
    const std::lock_guard guard(refusal_mutex_);
    return broken_ ? broken_ : no_space_;
}

void Log::check_space() {
    const auto space = disk_.space();
    std::optional<StoreError> refusal;
    if (space) {
        const auto limit =
            std::max(options_.free_bytes_min, space->total_bytes / 100 * options_.free_percent_min);
        if (space->free_bytes < limit) {
            refusal = {StoreError::Kind::no_space,
                       "the disk of the spool " + disk_.root() + " has only " +
                           mta::format_size(space->free_bytes) + " left, and the limit is " +
                           mta::format_size(limit) +
                           ": new mail is refused for now; make room there, or lower "
                           "[spool] free_percent and free_space"};
        }
    }
    const std::lock_guard guard(refusal_mutex_);
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
    statistics.damaged_reads = reader_->damaged();
    return statistics;
}

}  // namespace queue::log
