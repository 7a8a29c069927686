#include "queue/segment_log/writing/compaction.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "queue/bytes.h"
#include "queue/segment_log/format/record.h"

namespace queue::segment_log {
namespace {

constexpr std::uint64_t window_bytes = 1u << 20;
constexpr std::size_t at_record_length = 4;
constexpr std::size_t at_record_tag = 12;

std::uint64_t frame(std::uint64_t payload_bytes) {
    return aligned(record_header_bytes + payload_bytes);
}
std::uint64_t room_of(const ChunkRef& chunk) { return frame(body_prefix_bytes + chunk.length); }

// Each payload of a record about a message begins with its id.
MessageId id_of(std::string_view payload) {
    return payload.size() < sizeof(MessageId) ? 0 : get_at<std::uint64_t>(payload, 0);
}

}  // namespace

// ---- The victim ----

bool Compaction::choose(std::uint64_t scarce_room) {
    if (victim_) return true;
    if (!std::exchange(is_look_due_, false)) return false;
    victim_ = uses_.choose_victim(scarce_room);
    if (victim_ && victim_->live_bytes > credit_bytes_) victim_.reset();
    if (!victim_) return false;
    paid_bytes_ = victim_->live_bytes;
    credit_bytes_ -= paid_bytes_;
    file_ = files_.find(victim_->number);
    at_ = segment_header_bytes;
    window_at_ = 0;
    return true;
}

void Compaction::end_victim() {
    ended_ = {.segment = victim_->number, .bytes = uses_.mark_compacted(victim_->number)};
    leave_victim();
}

void Compaction::put_off() {
    if (moving_) stop_moving();
    credit_bytes_ += std::exchange(paid_bytes_, 0);
    leave_victim();
}

void Compaction::leave_victim() {
    victim_.reset();
    file_.reset();
    window_ = {};
    unmovable_.clear();
    is_look_due_ = true;
}

void Compaction::give_up(MessageId id, const StoreError& error) {
    if (error.kind == StoreError::Kind::no_resources) {
        is_disk_busy_ = true;
    } else {
        unmovable_.insert(id);
    }
}

// Returns false if the file ends before, or cannot be read.
bool Compaction::cover(std::uint64_t at, std::uint64_t length) {
    if (at >= window_at_ && at + length <= window_at_ + window_.size()) return true;
    const auto wanted = std::min(std::max(length, window_bytes), victim_->end - at);
    auto bytes = file_->read(at, static_cast<std::size_t>(wanted));
    if (!bytes && bytes.error().is_temporary()) is_disk_busy_ = true;
    if (!bytes || bytes->size() < length) return false;
    window_ = std::move(*bytes);
    window_at_ = at;
    read_bytes_ += window_.size();
    return true;
}

// Returns the next record that checks out. A record that does not is stepped over; if it was live,
// its segment stays.
std::optional<Compaction::Found> Compaction::next_record() {
    const auto generation = file_->generation();
    for (; at_ + record_header_bytes <= victim_->end; at_ += record_alignment) {
        if (!cover(at_, record_header_bytes)) return std::nullopt;
        const auto head =
            std::string_view(window_).substr(static_cast<std::size_t>(at_ - window_at_));
        if (get_at<std::uint32_t>(head, at_record_tag) != generation.tag()) continue;
        const auto length = get_at<std::uint32_t>(head, at_record_length);
        if (length > payload_bytes_max || at_ + frame(length) > victim_->end) continue;
        if (!cover(at_, frame(length))) return std::nullopt;
        const auto record = parse_record(
            std::string_view(window_).substr(static_cast<std::size_t>(at_ - window_at_)),
            generation);
        if (!record) continue;
        Found found{.where = {.segment = victim_->number,
                              .offset = static_cast<std::uint32_t>(at_),
                              .bytes = static_cast<std::uint32_t>(record->bytes())},
                    .type = record->type,
                    .payload = std::string(record->payload)};
        at_ += record->bytes();
        return found;
    }
    return std::nullopt;
}

bool Compaction::is_live(const Found& found) const {
    if (found.type == RecordType::batch || found.type == RecordType::done) return false;
    const auto id = id_of(found.payload);
    if (found.type == RecordType::state) {
        return index_.has_state_at(id, found.where) && !unmovable_.contains(id) &&
               !gathered_.contains(id);
    }
    const auto live = index_.find(id);
    if (!live || unmovable_.contains(id) || gathered_.contains(id)) return false;
    if (found.type == RecordType::enqueue) return found.where == live->enqueue;
    return std::ranges::any_of(
        live->bodies, [this](const SegmentBytes& body) { return body.segment == victim_->number; });
}

// ---- A turn ----

std::optional<std::uint64_t> Compaction::begin_turn(std::uint64_t scarce_room) {
    is_disk_busy_ = false;
    room_ = Batch::lead_bytes;
    read_bytes_ = 0;
    messages_.clear();
    states_.clear();
    gathered_.clear();
    if (!moving_ && !to_merge_.empty()) {
        gather_merged();
        if (is_disk_busy_) return std::nullopt;
        if (!gathered_.empty()) return room_;
    }
    if (!choose(scarce_room)) return std::nullopt;
    while (!moving_ && room_ < copy_bytes_max && read_bytes_ < read_bytes_max) {
        auto found = next_record();
        if (is_disk_busy_) return std::nullopt;
        if (!found) {
            if (gathered_.empty()) {
                end_victim();
                return std::nullopt;
            }
            break;  // what was gathered first; the next turn finds the end again
        }
        if (is_live(*found)) gather(*found);
        if (is_disk_busy_) return std::nullopt;
    }
    if (moving_) room_ += plan_moving();
    if (is_disk_busy_) return std::nullopt;
    if (gathered_.empty() && !moving_) return std::nullopt;
    return room_;
}

void Compaction::gather(const Found& found) {
    const auto id = id_of(found.payload);
    if (found.type == RecordType::state) {
        // Its ENQ is in another segment: were it in this one, it would have taken the state along.
        const auto room = gather_state(id);
        // What the copy takes beyond the record that was found has to be paid for.
        credit_bytes_ -=
            std::min(credit_bytes_, room - std::min<std::uint64_t>(room, found.where.bytes));
        if (!gathered_.contains(id) && !is_disk_busy_) unmovable_.insert(id);
        return;
    }
    const auto live = index_.find(id);
    if (found.type == RecordType::body || !live->bodies.empty()) {
        start_moving(id);
        return;
    }
    auto enqueue = parse_enqueue(found.payload);
    auto states = reader_.read_states(id);
    if (!states) return give_up(id, states.error());
    if (!enqueue) {
        unmovable_.insert(id);
        return;
    }
    room_ += frame(enqueue_bytes_max(enqueue->message, 0)) + frame(state_bytes_max(*states));
    messages_.push_back({std::move(*enqueue), std::move(*states)});
    gathered_.insert(id);
}

// Gathers the states of all recipients, whichever record was found. Returns the room that they
// take; 0 if they could not be read, or if there are none.
std::uint64_t Compaction::gather_state(MessageId id) {
    auto states = reader_.read_states(id);
    const auto home = index_.home_of(id);
    is_disk_busy_ = !states && states.error().kind == StoreError::Kind::no_resources;
    if (!states || states->empty() || home == 0) return 0;
    StatePayload state{.id = id, .home = home, .states = *states};
    const auto room = frame(state_bytes_max(state.states));
    room_ += room;
    states_.push_back(std::move(state));
    gathered_.insert(id);
    return room;
}

// As many as a turn takes.
void Compaction::gather_merged() {
    while (!to_merge_.empty() && room_ < copy_bytes_max) {
        const auto id = to_merge_.extract(to_merge_.begin()).value();
        gather_state(id);
        if (is_disk_busy_) return;  // the message's next STATE asks for it again
        if (!gathered_.contains(id) && index_.home_of(id) != 0) unmergeable_.insert(id);
    }
}

void Compaction::fill(Batch& batch) {
    paid_bytes_ -= std::min(paid_bytes_, room_);
    for (const auto& message : messages_) batch.copy_message(message.enqueue, message.states, {});
    for (const auto& state : states_) batch.copy_state(state);
    if (moving_) fill_moving(batch);
}

// ---- A message with a large body ----

void Compaction::start_moving(MessageId id) {
    auto enqueue = reader_.read_enqueue(id);
    if (!enqueue) return give_up(id, enqueue.error());
    const bool has_all_pieces = std::ranges::all_of(
        enqueue->chunks, [this](const ChunkRef& chunk) { return uses_.contains(chunk.segment); });
    if (!has_all_pieces) {
        unmovable_.insert(id);
        return;
    }
    moving_ = Moving{.message = {std::move(*enqueue), {}}, .next = 0, .turn_end = 0, .written = {}};
}

// Plans how far this turn goes, and returns the room that it takes.
std::uint64_t Compaction::plan_moving() {
    auto& moving = *moving_;
    const auto id = moving.message.enqueue.message.id;
    const auto& chunks = moving.message.enqueue.chunks;
    if (!index_.find(id)) {
        stop_moving();
        return 0;
    }
    std::uint64_t room = 0;
    for (moving.turn_end = moving.next; moving.turn_end < chunks.size(); ++moving.turn_end) {
        if (room >= copy_bytes_max) return room;
        const auto& chunk = chunks[moving.turn_end];
        if (chunk.segment == victim_->number) room += room_of(chunk);
    }
    auto states = reader_.read_states(id);
    if (!states) {
        give_up(id, states.error());
        stop_moving();
        return 0;
    }
    moving.message.states = std::move(*states);
    return room + frame(enqueue_bytes_max(moving.message.enqueue.message, chunks.size())) +
           frame(state_bytes_max(moving.message.states));
}

void Compaction::fill_moving(Batch& batch) {
    auto& moving = *moving_;
    auto& chunks = moving.message.enqueue.chunks;
    const auto id = moving.message.enqueue.message.id;
    for (; moving.next < moving.turn_end; ++moving.next) {
        auto& chunk = chunks[moving.next];
        if (chunk.segment != victim_->number) continue;
        const auto bytes = reader_.read_chunk(id, chunk);
        if (!bytes) {
            give_up(id, bytes.error());
            stop_moving();
            return;
        }
        chunk = batch.copy_chunk(id, static_cast<std::uint32_t>(moving.next), *bytes);
        moving.written.push_back({chunk.segment, room_of(chunk)});
    }
    if (moving.next < chunks.size()) return;
    // From now on the pieces belong to the message.
    for (const auto& piece : moving.written) uses_.drop_live(piece);
    batch.copy_message(moving.message.enqueue, moving.message.states, bodies_of_moved());
    moving_.reset();
}

void Compaction::stop_moving() {
    for (const auto& piece : moving_->written) uses_.drop_live(piece);
    moving_.reset();
}

std::vector<SegmentBytes> Compaction::bodies_of_moved() const {
    std::vector<SegmentBytes> bodies;
    for (const auto& chunk : moving_->message.enqueue.chunks) {
        if (bodies.empty() || bodies.back().segment != chunk.segment) {
            bodies.push_back({.segment = chunk.segment, .bytes = 0});
        }
        bodies.back().bytes += room_of(chunk);
    }
    return bodies;
}

}  // namespace queue::segment_log
