#include "queue/segment_log/reading/log_reader.h"

#include <algorithm>
#include <utility>

#include "queue/segment_log/disk/spool_folder.h"
#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/salvage.h"

namespace queue::segment_log {
namespace {

std::unexpected<StoreError> not_found(MessageId id) {
    return std::unexpected(
        StoreError{StoreError::Kind::not_found, "no message " + format_id(id) + " in the spool"});
}

bool is_gone(const StoreError& error) { return error.kind == StoreError::Kind::not_found; }

std::vector<RecipientState> first_states(const Message& message) {
    RecipientState state;
    state.next_due = first_due(message.arrival, message.envelope.requests);
    return std::vector<RecipientState>(message.envelope.recipients.size(), state);
}

}  // namespace

StoreError LogReader::damage(const Location& where, std::string_view bytes) {
    ++damaged_;
    StoreError error{StoreError::Kind::corrupt, "segment " + hex16(where.segment) +
                                                    " of the spool is damaged at byte " +
                                                    std::to_string(where.offset)};
    const mta::MutexLock lock(kept_mutex_);
    const auto place = std::pair(where.segment, where.offset);
    if (kept_.contains(place)) return error;
    const auto path = quarantine(disk_, quarantine_name(where.segment, where.offset), bytes);
    if (path) kept_.insert(place);
    if (met_places_.insert(place).second) {
        met_.push_back({.segment = where.segment,
                        .offset = where.offset,
                        .bytes = where.bytes,
                        .what = "a record that does not match its checksum any more",
                        .quarantine_path = path ? *path : std::string()});
    }
    error.text += path ? "; its bytes are kept in " + disk_.root() + "/" + *path
                       : "; its bytes could not be copied: " + path.error().text;
    return error;
}

void LogReader::keep_uncopied(std::uint64_t segment, std::uint64_t bytes) {
    const mta::MutexLock lock(kept_mutex_);
    if (!met_places_.insert({segment, 0}).second) return;
    met_.push_back({.segment = segment,
                    .bytes = bytes,
                    .what = "mail that could not be copied to another segment; this one is kept",
                    .quarantine_path = ""});
}

std::vector<RecoveryReport::Damage> LogReader::damages() const {
    const mta::MutexLock lock(kept_mutex_);
    return met_;
}

StoreResult<LogReader::Loaded> LogReader::read_record(const Location& where, RecordType type) {
    const auto segment = files_.find(where.segment);
    if (!segment) return std::unexpected(StoreError{StoreError::Kind::not_found, "recycled"});
    auto bytes = segment->read(where.offset, where.bytes);
    if (!bytes) return std::unexpected(to_store_error(bytes.error()));
    const auto record = parse_record(*bytes, segment->generation());
    if (!record || record->type != type) return std::unexpected(damage(where, *bytes));
    const auto payload_bytes = record->payload.size();
    return Loaded{.bytes = std::move(*bytes),
                  .payload_bytes = payload_bytes,
                  .version = record->version,
                  .lsn = record->lsn};
}

// A place is given up only after the index has a new one. So if the place is gone twice, its
// segment is missing, and reading again would never end.
template <class Read>
auto LogReader::read_where_it_is(MessageId id, const Read& read)
    -> decltype(read(std::declval<LiveMessage>())) {
    std::optional<LiveMessage> last;
    while (auto live = index_.find(id)) {
        auto result = read(*live);
        if (result || !is_gone(result.error())) return result;
        if (last && last->enqueue == live->enqueue && last->state == live->state &&
            last->deltas == live->deltas) {
            return std::unexpected(StoreError{
                StoreError::Kind::not_found,
                "message " + format_id(id) + " is queued, but a segment that holds it is missing"});
        }
        last = std::move(live);
    }
    return not_found(id);
}

StoreResult<EnqueuePayload> LogReader::read_enqueue_at(MessageId id, const Location& where) {
    auto loaded = read_record(where, RecordType::enqueue);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    auto enqueue = parse_enqueue(loaded->payload());
    if (!enqueue || enqueue->message.id != id) {
        return std::unexpected(damage(where, loaded->bytes));
    }
    return std::move(*enqueue);
}

StoreResult<StoredMessage> LogReader::read_once(MessageId id, const LiveMessage& live) {
    auto message = read_envelope(id, live.enqueue);
    if (!message) return std::unexpected(std::move(message).error());
    StoredMessage stored;
    stored.states = first_states(*message);
    stored.message = std::make_shared<const Message>(std::move(*message));
    // Damaged STATEs are quarantined and counted, but do not hold the message back.
    const auto states = read_all_states(id, live, Damaged::passed_over);
    if (!states) return std::unexpected(states.error());
    for (const auto& state : *states) [[maybe_unused]]
        const bool is_ours = state.changes.apply_to(stored.states);
    return stored;
}

// Returns the message, or its envelope alone if only the body is damaged: a later read of the body
// reports the damage, and by then the sender is known.
StoreResult<Message> LogReader::read_envelope(MessageId id, const Location& where) {
    auto enqueue = read_enqueue_at(id, where);
    if (enqueue) return std::move(enqueue->message);
    auto error = std::move(enqueue).error();
    if (error.kind != StoreError::Kind::corrupt) return std::unexpected(std::move(error));
    const auto segment = files_.find(where.segment);
    const auto bytes =
        segment ? segment->read(where.offset, where.bytes) : std::unexpected(DiskError{});
    if (!bytes && bytes.error().is_temporary())
        return std::unexpected(to_store_error(bytes.error()));
    auto salvaged = bytes ? salvage_enqueue(*bytes, segment->generation()) : std::nullopt;
    if (salvaged && salvaged->enqueue.message.id == id) return std::move(salvaged->enqueue.message);
    return std::unexpected(std::move(error));
}

StoreResult<LogReader::State> LogReader::read_state(MessageId id, const Location& where) {
    auto loaded = read_record(where, RecordType::state);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    auto state = parse_state(loaded->payload(), loaded->version);
    if (!state || state->id != id) return std::unexpected(damage(where, loaded->bytes));
    return State{loaded->lsn, std::move(state->states)};
}

StoreResult<std::vector<LogReader::State>> LogReader::read_all_states(MessageId id,
                                                                      const LiveMessage& live,
                                                                      Damaged damaged) {
    auto places = live.deltas;
    if (live.state.bytes > 0) places.push_back(live.state);
    std::vector<State> states;
    states.reserve(places.size());
    for (const auto& place : places) {
        auto state = read_state(id, place);
        if (state) {
            states.push_back(std::move(*state));
        } else if (damaged == Damaged::is_an_error ||
                   state.error().kind != StoreError::Kind::corrupt) {
            return std::unexpected(std::move(state).error());
        }
    }
    std::ranges::sort(states, {}, &State::lsn);
    return states;
}

StoreResult<StoredMessage> LogReader::read_message(MessageId id) {
    return read_where_it_is(id, [&](const LiveMessage& live) { return read_once(id, live); });
}

StoreResult<EnqueuePayload> LogReader::read_enqueue(MessageId id) {
    return read_where_it_is(
        id, [&](const LiveMessage& live) { return read_enqueue_at(id, live.enqueue); });
}

StoreResult<std::vector<RecipientState>> LogReader::read_states_at(MessageId id,
                                                                   const LiveMessage& live) {
    std::vector<RecipientState> together;
    if (live.state.bytes == 0 && live.deltas.empty()) return together;
    const auto states = read_all_states(id, live, Damaged::is_an_error);
    if (!states) return std::unexpected(states.error());
    if (states->front().changes.are_whole()) {
        together.resize(states->front().changes.recipients);
    } else {
        const auto enqueue = read_enqueue_at(id, live.enqueue);
        if (!enqueue) return std::unexpected(enqueue.error());
        together = first_states(enqueue->message);
    }
    for (const auto& state : *states) [[maybe_unused]]
        const bool is_ours = state.changes.apply_to(together);
    return together;
}

StoreResult<std::vector<RecipientState>> LogReader::read_states(MessageId id) {
    return read_where_it_is(id, [&](const LiveMessage& live) { return read_states_at(id, live); });
}

// ---- Bodies ----

StoreResult<LogReader::Loaded> LogReader::read_piece(MessageId id, const ChunkRef& chunk) {
    const auto bytes = aligned(record_header_bytes + body_prefix_bytes + chunk.length);
    const Location where{chunk.segment, chunk.offset, static_cast<std::uint32_t>(bytes)};
    auto loaded = read_record(where, RecordType::body);
    if (!loaded) return loaded;
    const auto body = parse_body(loaded->payload());
    if (!body || body->id != id || crc32c(body->chunk) != chunk.crc) {
        return std::unexpected(damage(where, loaded->bytes));
    }
    return loaded;
}

StoreResult<std::string> LogReader::read_chunk(MessageId id, const ChunkRef& chunk) {
    auto loaded = read_piece(id, chunk);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    return std::string(loaded->payload().substr(body_prefix_bytes));
}

StoreResult<std::string> LogReader::read_pieces(const Layout& layout, std::uint64_t offset,
                                                std::uint32_t length) {
    std::string bytes;
    if (offset < layout.added_header.size())
        bytes = layout.added_header.substr(static_cast<std::size_t>(offset), length);
    std::uint64_t chunk_begin = layout.added_header.size();
    for (const auto& chunk : layout.chunks) {
        const auto begin = std::exchange(chunk_begin, chunk_begin + chunk.length);
        if (chunk_begin <= offset) continue;
        if (bytes.size() == length) break;
        auto loaded = read_piece(layout.id, chunk);
        if (!loaded) return std::unexpected(std::move(loaded).error());
        const auto skip = static_cast<std::size_t>(std::max(offset, begin) - begin);
        const auto part = loaded->payload().substr(body_prefix_bytes + skip, length - bytes.size());
        if (bytes.capacity() < length) bytes.reserve(length);
        bytes += part;
    }
    return bytes;
}

std::shared_ptr<const LogReader::Layout> LogReader::known_layout(MessageId id,
                                                                 const Location& enqueue) {
    const mta::MutexLock lock(layouts_mutex_);
    const auto known =
        std::ranges::find(layouts_, id, [](const auto& layout) { return layout->id; });
    if (known == layouts_.end() || (*known)->enqueue != enqueue) return nullptr;
    std::rotate(layouts_.begin(), known, std::next(known));
    return layouts_.front();
}

StoreResult<std::string> LogReader::read_body_at(MessageId id, const Location& enqueue,
                                                 std::uint64_t offset, std::uint32_t length) {
    if (const auto known = known_layout(id, enqueue)) return read_pieces(*known, offset, length);
    auto payload = read_enqueue_at(id, enqueue);
    if (!payload) return std::unexpected(std::move(payload).error());
    if (payload->chunks.empty()) {
        const auto content = payload->message.inline_content();
        return offset >= content.size() ? std::string()
                                        : content.substr(static_cast<std::size_t>(offset), length);
    }
    const auto layout = std::make_shared<const Layout>(
        Layout{.id = id,
               .enqueue = enqueue,
               .added_header = std::move(payload->message.added_header),
               .chunks = std::move(payload->chunks)});
    {
        const mta::MutexLock lock(layouts_mutex_);
        std::erase_if(layouts_, [id](const auto& other) { return other->id == id; });
        layouts_.push_front(layout);
        if (layouts_.size() > layouts_max) layouts_.pop_back();
    }
    return read_pieces(*layout, offset, length);
}

StoreResult<std::string> LogReader::read_body(MessageId id, std::uint64_t offset,
                                              std::uint32_t length) {
    return read_where_it_is(id, [&](const LiveMessage& live) {
        return read_body_at(id, live.enqueue, offset, length);
    });
}

}  // namespace queue::segment_log
