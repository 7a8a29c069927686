#include "queue/segment_log/writing/batch.h"

#include "mta/base/assert.h"
#include "queue/segment_log/format/crc32c.h"

namespace queue::segment_log {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
    using Fs::operator()...;
};

constexpr std::uint64_t frame(std::uint64_t payload_bytes) {
    return aligned(record_header_bytes + payload_bytes);
}

using Reports = std::vector<std::shared_ptr<const Message>>;

std::uint64_t reports_bytes_max(const Reports& reports) {
    std::uint64_t bytes = 0;
    for (const auto& report : reports) bytes += frame(enqueue_bytes_max(*report, 0));
    return bytes;
}

std::size_t chunk_count(const Uploads& uploads, MessageId id) {
    const auto upload = uploads.find(id);
    return upload == uploads.end() ? 0 : upload->second.chunks.size();
}

}  // namespace

std::uint64_t Batch::bytes_max(const Operation& operation, const Uploads& uploads,
                               std::size_t pieces_before) {
    const auto of = Overloaded{
        [&](const Enqueue& op) {
            const auto chunks = op.message->is_body_inline()
                                    ? 0
                                    : chunk_count(uploads, op.message->id) + pieces_before;
            return frame(enqueue_bytes_max(*op.message, chunks));
        },
        [](const AppendBody& op) { return frame(body_prefix_bytes + op.chunk.size()); },
        [](const DiscardBody&) { return std::uint64_t{0}; },
        [](const Barrier&) { return std::uint64_t{0}; },
        [](const AdoptOldMail&) { return std::uint64_t{0}; },
        [](const Update& op) {
            return frame(state_bytes_max(op.states)) + reports_bytes_max(op.reports);
        },
        // Each copy that compaction left behind takes a DONE; there are never more than a few.
        [](const Finish& op) { return 4 * frame(done_bytes) + reports_bytes_max(op.reports); },
    };
    return std::visit(of, operation.what);
}

std::uint32_t Batch::record_count(const Operation& operation) {
    const auto of = Overloaded{
        [](const Update& op) { return op.reports.size() + 1; },
        [](const Finish& op) { return op.reports.size() + 1; },
        [](const auto&) { return std::size_t{1}; },
    };
    return static_cast<std::uint32_t>(std::visit(of, operation.what));
}

// A report (an ENQ that comes with a STATE or a DONE) waits as they do: its message is queued until
// that DONE is certain.
Batch::Certainty Batch::certainty_of(const Operation& operation) {
    const auto of = Overloaded{
        [](const Enqueue&) { return Certainty::now; },
        [](const Barrier&) { return Certainty::now; },
        [](const Finish& op) { return op.is_awaited ? Certainty::now : Certainty::soon; },
        [](const Update&) { return Certainty::soon; },
        [](const auto&) { return Certainty::whenever; },
    };
    return std::visit(of, operation.what);
}

Batch::Batch(const Parts& parts, std::uint64_t first_lsn)
    : writer_(parts.writer),
      uses_(parts.uses),
      index_(parts.index),
      uploads_(parts.uploads),
      segment_(writer_.number()),
      offset_(writer_.end()),
      first_lsn_(first_lsn),
      next_lsn_(first_lsn + 1) {
    [[maybe_unused]] const auto lead = begin_record(bytes_);
    put_batch(bytes_, {});
}

bool Batch::add(const Operation& operation) {
    require(certainty_of(operation));
    const auto write = Overloaded{
        [&](const Enqueue& op) {
            enqueue(*op.message);
            return true;
        },
        [&](const AppendBody& op) {
            append_body(op);
            return true;
        },
        [&](const DiscardBody& op) {
            discard_body(op.id);
            return true;
        },
        [&](const Update& op) { return update(op); },
        [&](const Finish& op) { return finish(op); },
        [](const Barrier&) { return true; },
        [](const AdoptOldMail&) { return true; },
    };
    return std::visit(write, operation.what);
}

Location Batch::end(std::size_t begin, RecordType type) {
    end_record(bytes_, begin, writer_.generation(), type, next_lsn_++);
    ++count_;
    return {.segment = segment_,
            .offset = static_cast<std::uint32_t>(offset_ + begin),
            .bytes = static_cast<std::uint32_t>(bytes_.size() - begin)};
}

std::uint64_t Batch::home_of(MessageId id) const {
    if (const auto here = here_.find(id); here != here_.end()) return here->second ? segment_ : 0;
    return index_.home_of(id);
}

void Batch::enqueue(const Message& message) {
    Upload upload;
    if (auto node = uploads_.extract(message.id); !node.empty()) upload = std::move(node.mapped());
    if (message.is_body_inline()) {
        // The body is small after all, so pieces of it are of no use.
        discard(upload);
        upload = {.crc = crc32c(message.body)};
    } else {
        MTA_ASSERT(upload.size == message.body_bytes());
    }
    const auto at = begin_record(bytes_);
    put_enqueue(bytes_, message, upload.crc, upload.chunks);
    const auto where = end(at, RecordType::enqueue);
    here_[message.id] = true;
    effects_.emplace_back(
        Added{message.id, {.enqueue = where, .state = {}, .bodies = std::move(upload.bodies)}});
}

void Batch::append_body(const AppendBody& body) {
    auto& upload = uploads_[body.id];
    const auto at = begin_record(bytes_);
    put_body(bytes_, body.id, static_cast<std::uint32_t>(upload.chunks.size()), body.chunk);
    const auto where = end(at, RecordType::body);
    upload.chunks.push_back({.segment = where.segment,
                             .offset = where.offset,
                             .length = static_cast<std::uint32_t>(body.chunk.size()),
                             .crc = crc32c(body.chunk)});
    upload.size += body.chunk.size();
    upload.crc = crc32c(body.chunk, upload.crc);
    if (upload.bodies.empty() || upload.bodies.back().segment != segment_) {
        upload.bodies.push_back({.segment = segment_, .bytes = 0});
    }
    upload.bodies.back().bytes += where.bytes;
    uses_.add_live({segment_, where.bytes});
}

void Batch::discard_body(MessageId id) {
    const auto node = uploads_.extract(id);
    if (!node.empty()) discard(node.mapped());
}

void Batch::discard(const Upload& upload) {
    for (const auto& body : upload.bodies) {
        uses_.drop_live(body);
        discarded_bytes_ += body.bytes;
    }
}

bool Batch::update(const Update& update) {
    for (const auto& report : update.reports) enqueue(*report);
    const auto home = home_of(update.id);
    if (home == 0) return false;
    if (update.states.changes.empty()) return true;
    put_state_record({.id = update.id, .home = home, .states = update.states});
    return true;
}

bool Batch::finish(const Finish& finish) {
    for (const auto& report : finish.reports) enqueue(*report);
    const auto home = home_of(finish.id);
    if (home == 0) return false;
    put_done_record({.id = finish.id, .home = home}, false);
    // Nor must copies that were left behind bring it back.
    for (const auto old_home : index_.old_homes(finish.id)) {
        put_done_record({.id = finish.id, .home = old_home}, true);
    }
    here_[finish.id] = false;
    return true;
}

void Batch::put_done_record(const DoneMark& mark, bool is_carried) {
    const auto at = begin_record(bytes_);
    put_done(bytes_, {.id = mark.id, .home = mark.home});
    end(at, RecordType::done);
    effects_.emplace_back(DoneWritten{mark, is_carried});
}

void Batch::carry(const DoneMark& mark) {
    put_done_record(mark, true);
    require(Certainty::now);
}

ChunkRef Batch::copy_chunk(MessageId id, std::uint32_t index, std::string_view chunk) {
    const auto at = begin_record(bytes_);
    put_body(bytes_, id, index, chunk);
    const auto where = end(at, RecordType::body);
    uses_.add_live({segment_, where.bytes});
    return {.segment = where.segment,
            .offset = where.offset,
            .length = static_cast<std::uint32_t>(chunk.size()),
            .crc = crc32c(chunk)};
}

void Batch::copy_message(const EnqueuePayload& enqueue, const std::vector<RecipientState>& states,
                         std::vector<SegmentBytes> bodies) {
    Copied copied{.id = enqueue.message.id, .message = {}};
    auto at = begin_record(bytes_);
    put_enqueue(bytes_, enqueue.message, enqueue.body_crc, enqueue.chunks);
    copied.message.enqueue = end(at, RecordType::enqueue);
    if (!states.empty()) {
        at = begin_record(bytes_);
        put_state(bytes_, copied.id, segment_, states);
        copied.message.state = end(at, RecordType::state);
    }
    copied.message.bodies = std::move(bodies);
    require(Certainty::now);
    effects_.emplace_back(std::move(copied));
}

void Batch::put_state_record(const StatePayload& state) {
    const auto at = begin_record(bytes_);
    put_state(bytes_, state.id, state.home, state.states);
    effects_.emplace_back(
        StateWritten{.id = state.id,
                     .where = end(at, RecordType::state),
                     .recipients = state.states.recipients,
                     .written = static_cast<std::uint32_t>(state.states.changes.size())});
}

void Batch::copy_state(const StatePayload& state) {
    put_state_record(state);
    require(Certainty::now);
}

void Batch::complete(std::uint64_t durable_lsn, std::uint64_t id_ceiling) {
    std::string lead;
    const auto at = begin_record(lead);
    put_batch(lead, {.count = count_,
                     .durable_lsn = durable_lsn,
                     .id_ceiling = id_ceiling,
                     .origin = writer_.origin()});
    end_record(lead, at, writer_.generation(), RecordType::batch, first_lsn_);
    bytes_.replace(0, lead.size(), lead);
}

}  // namespace queue::segment_log
