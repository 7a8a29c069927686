#include "queue/log/log_reader.h"

#include <algorithm>

#include "queue/log/crc32c.h"
#include "queue/log/spool_folder.h"

namespace queue::log {
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
    const std::lock_guard guard(kept_mutex_);
    const auto place = std::pair(where.segment, where.offset);
    if (kept_.contains(place)) return error;
    const auto path = quarantine(disk_, quarantine_name(where.segment, where.offset), bytes);
    if (path) kept_.insert(place);
    error.text += path ? "; its bytes are kept in " + disk_.root() + "/" + *path
                       : "; its bytes could not be copied: " + path.error().text;
    return error;
}

StoreResult<LogReader::Loaded> LogReader::read_record(const Location& where, RecordType type) {
    const auto segment = segments_.find(where.segment);
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

StoreResult<StoredMessage> LogReader::read_once(MessageId id, const LiveMessage& live) {
    auto loaded = read_record(live.enqueue, RecordType::enqueue);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    auto enqueue = parse_enqueue(loaded->payload());
    if (!enqueue || enqueue->message.id != id) {
        return std::unexpected(damage(live.enqueue, loaded->bytes));
    }
    StoredMessage stored;
    stored.states = first_states(enqueue->message);
    stored.message = std::make_shared<const Message>(std::move(enqueue->message));
    // Damaged ones are kept and counted, and no reason to keep the message back.
    const auto states = read_all_states(id, live, Damaged::passed_over);
    if (!states) return std::unexpected(states.error());
    for (const auto& state : *states) [[maybe_unused]]
        const bool is_ours = state.changes.apply_to(stored.states);
    return stored;
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
    while (const auto live = index_.find(id)) {
        auto stored = read_once(id, *live);
        // Recycled between the look at the index and the reading: its record has moved, or the
        // message is finished; the index knows.
        if (!stored && is_gone(stored.error())) continue;
        return stored;
    }
    return not_found(id);
}

StoreResult<EnqueuePayload> LogReader::read_enqueue(MessageId id) {
    while (const auto live = index_.find(id)) {
        auto loaded = read_record(live->enqueue, RecordType::enqueue);
        if (!loaded && is_gone(loaded.error())) continue;
        if (!loaded) return std::unexpected(std::move(loaded).error());
        auto enqueue = parse_enqueue(loaded->payload());
        if (!enqueue) return std::unexpected(damage(live->enqueue, loaded->bytes));
        return std::move(*enqueue);
    }
    return not_found(id);
}

StoreResult<std::vector<RecipientState>> LogReader::read_states(MessageId id) {
    while (const auto live = index_.find(id)) {
        std::vector<RecipientState> together;
        if (live->state.bytes == 0 && live->deltas.empty()) return together;
        const auto states = read_all_states(id, *live, Damaged::is_an_error);
        if (!states && is_gone(states.error())) continue;
        if (!states) return std::unexpected(states.error());
        if (states->front().changes.are_whole()) {
            together.resize(states->front().changes.recipients);
        } else {
            const auto enqueue = read_enqueue(id);
            if (!enqueue) return std::unexpected(enqueue.error());
            together = first_states(enqueue->message);
        }
        for (const auto& state : *states) [[maybe_unused]]
            const bool is_ours = state.changes.apply_to(together);
        return together;
    }
    return not_found(id);
}

StoreResult<std::string> LogReader::read_chunk(MessageId id, const ChunkRef& chunk) {
    const auto bytes = aligned(record_header_bytes + body_prefix_bytes + chunk.length);
    const Location where{chunk.segment, chunk.offset, static_cast<std::uint32_t>(bytes)};
    auto loaded = read_record(where, RecordType::body);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    const auto body = parse_body(loaded->payload());
    if (!body || body->id != id || crc32c(body->chunk) != chunk.crc) {
        return std::unexpected(damage(where, loaded->bytes));
    }
    return std::string(body->chunk);
}

StoreResult<std::string> LogReader::read_body(MessageId id, std::uint64_t offset,
                                              std::uint32_t length) {
    auto enqueue = read_enqueue(id);
    if (!enqueue) return std::unexpected(std::move(enqueue).error());
    if (enqueue->chunks.empty()) {
        const auto& body = enqueue->message.body;
        return offset >= body.size() ? std::string()
                                     : body.substr(static_cast<std::size_t>(offset), length);
    }
    std::string bytes;
    std::uint64_t chunk_begin = 0;
    for (const auto& chunk : enqueue->chunks) {
        const auto chunk_end = chunk_begin + chunk.length;
        if (chunk_end > offset && bytes.size() < length) {
            auto part = read_chunk(id, chunk);
            if (!part && is_gone(part.error())) return not_found(id);
            if (!part) return part;
            const auto skip = std::max(offset, chunk_begin) - chunk_begin;
            bytes.append(*part, static_cast<std::size_t>(skip), length - bytes.size());
        }
        chunk_begin = chunk_end;
    }
    return bytes;
}

}  // namespace queue::log
