#include "queue/segment_log/writing/streams.h"

namespace queue::segment_log {
namespace {

// Ids that can be given away between two batches. More would have to be given without a message
// written in between, and even then only a crash at that moment could give an id twice.
constexpr std::uint64_t ids_reserved = 65'536;

}  // namespace

Streams::Streams(const LogOptions& options, Housekeeping& housekeeping, SegmentUses& uses,
                 const std::atomic<MessageId>& next_id)
    : housekeeping_(housekeeping),
      next_id_(next_id),
      hot_(Stream::hot, options, housekeeping, uses),
      cold_(Stream::cold, options, housekeeping, uses) {}

void Streams::set_next_lsn(std::uint64_t lsn) {
    next_lsn_ = lsn;
    durable_lsn_.fill(lsn - 1);
}

std::uint64_t Streams::id_ceiling() const { return next_id_ + ids_reserved; }

void Streams::save_room(bool is_room_short) {
    housekeeping_.save_room(is_room_short);
    hot_.save_room(is_room_short);
    cold_.save_room(is_room_short);
}

DiskResult<void> Streams::start_next(Stream stream) {
    auto started = at(stream).start_next(next_lsn_);
    if (started) durable_lsn(stream) = next_lsn_ - 1;
    return started;
}

DiskResult<void> Streams::write(Stream stream, Batch& batch) {
    auto& writer = at(stream);
    batch.complete(durable_lsn(stream), id_ceiling());
    auto written = writer.append(batch.bytes());
    // What a failed write has left must not be taken for what is written in its place.
    if (!written && stream == Stream::cold) next_lsn_ = batch.last_lsn() + 1;
    if (!written) return written;
    ++batches_;
    next_lsn_ = batch.last_lsn() + 1;
    switch (batch.certainty()) {
        case Batch::Certainty::now: return sync(stream);
        case Batch::Certainty::soon: is_sync_due_ = true; break;
        // The sync of a large message, for which others wait too, then finds little left to do.
        case Batch::Certainty::whenever: writer.start_writing(); break;
    }
    return {};
}

DiskResult<void> Streams::sync(Stream stream) {
    if (auto synced = at(stream).sync(); !synced) return synced;
    ++syncs_;
    durable_lsn(stream) = next_lsn_ - 1;
    if (stream == Stream::hot) is_sync_due_ = false;
    return {};
}

DiskResult<void> Streams::write_mark(Stream stream, Batch mark, std::uint64_t id_ceiling) {
    auto& writer = at(stream);
    if (!writer.is_open()) return {};
    // Pieces of bodies without an ENQ need no sync, but the mark says that all is certain.
    if (!writer.is_synced()) {
        if (auto synced = writer.sync(); !synced) return synced;
    }
    mark.complete(next_lsn_ - 1, id_ceiling);
    if (auto written = writer.append(mark.bytes()); !written) return written;
    next_lsn_ = mark.last_lsn() + 1;
    if (auto synced = writer.sync(); !synced) return synced;
    durable_lsn(stream) = mark.last_lsn();
    return {};
}

}  // namespace queue::segment_log
