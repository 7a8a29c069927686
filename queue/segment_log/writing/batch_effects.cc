#include "queue/segment_log/writing/batch_effects.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mta/base/assert.h"

namespace queue::segment_log {
namespace {

// STATEs of some recipients are put together into one of all when they are as large as that one, so
// that no more than twice as much is written, or read back. Fewer bytes are not worth it.
constexpr std::uint64_t delta_bytes_min = 4096;

}  // namespace

void BatchEffects::apply(Batch& batch, std::uint64_t segment) {
    bool has_carried = false;
    for (auto& effect : batch.effects()) {
        if (auto* added = std::get_if<Batch::Added>(&effect)) {
            const auto& where = added->message.enqueue;
            uses_.add_live(bytes_of(where));
            index_.add(added->id, added->message);
        } else if (auto* state = std::get_if<Batch::StateWritten>(&effect)) {
            apply_state(*state);
        } else if (auto* copied = std::get_if<Batch::Copied>(&effect)) {
            apply_copied(copied->id, copied->message);
        } else if (auto* done = std::get_if<Batch::DoneWritten>(&effect)) {
            uses_.add_done(segment, done->mark);
            has_carried = has_carried || done->is_carried;
            if (!done->is_carried) apply_done(done->mark);
        }
    }
    if (has_carried) uses_.carried();
}

void BatchEffects::apply_state(const Batch::StateWritten& state) {
    const auto& where = state.where;
    if (state.written != state.recipients) {
        const auto bytes = index_.add_delta(state.id, where);
        if (!bytes) return;  // finished in the same batch
        uses_.add_live(bytes_of(where));
        // What one STATE of all recipients would take.
        const auto whole_bytes = std::uint64_t{where.bytes} * state.recipients / state.written;
        if (*bytes >= std::max(whole_bytes, delta_bytes_min)) compaction_.merge_states(state.id);
        return;
    }
    const auto before = index_.set_state(state.id, where);
    if (!before) return;
    uses_.add_live(bytes_of(where));
    supersede(before->state);
    for (const auto& delta : before->deltas) supersede(delta);
}

void BatchEffects::apply_done(const DoneMark& mark) {
    const auto message = index_.remove(mark.id);
    if (!message) return;
    supersede(message->enqueue);
    supersede(message->state);
    for (const auto& delta : message->deltas) supersede(delta);
    std::ranges::copy(message->bodies, std::back_inserter(superseded_));
}

void BatchEffects::apply_copied(MessageId id, const LiveMessage& message) {
    const auto before = index_.replace(id, message);
    MTA_ASSERT(before);  // the writer looked a moment ago, and only the writer removes
    const auto count = [](const LiveMessage& of, const auto& change) {
        change(bytes_of(of.enqueue));
        if (of.state.bytes > 0) change(bytes_of(of.state));
        std::ranges::for_each(of.deltas, [&](const Location& delta) { change(bytes_of(delta)); });
        std::ranges::for_each(of.bodies, change);
    };
    count(message, [this](const SegmentBytes& more) { uses_.add_live(more); });
    count(*before, [this](const SegmentBytes& fewer) { uses_.drop_live(fewer); });
    index_.add_old_home({.id = id, .segment = before->enqueue.segment});
}

void BatchEffects::supersede(const Location& where) {
    if (where.bytes > 0) superseded_.push_back(bytes_of(where));
}

void BatchEffects::drop_superseded(Cause cause) {
    for (const auto& piece : superseded_) {
        uses_.drop_live(piece);
        if (cause == Cause::writing) compaction_.earn(piece.bytes);
    }
    superseded_.clear();
}

}  // namespace queue::segment_log
