#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/reading/log_reader.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/segment_files.h"
#include "queue/segment_log/segments/segment_uses.h"
#include "queue/segment_log/writing/batch.h"

namespace queue::segment_log {

// Copies what is left in a segment that is mostly empty to the cold stream, so that the segment can
// be used again: an ENQ together with the newest STATE, a STATE whose ENQ is elsewhere, the pieces
// of a large body and then its ENQ, which lists them.
//
// Only the writer uses it: between two commits it takes one turn, which reads and copies a bounded
// number of bytes. What is finished or changed between two turns needs no care: each turn looks at
// the index, and nothing changes within a turn.
//
//     if (auto room = compaction.begin_turn(0)) {   // of a batch of the cold stream
//         compaction.fill(batch);                  // then write and sync it, apply its effects
//     }
class Compaction {
public:
    // All must outlive it.
    Compaction(SegmentUses& uses, const SegmentFiles& files, const Index& index, LogReader& reader)
        : uses_(uses), files_(files), index_(index), reader_(reader) {}

    // To be called when bytes have died otherwise than by being copied. Dead bytes pay for copying,
    // so that it ends, however the segments are filled, and never writes more than a few times what
    // dies.
    void earn(std::uint64_t dead_bytes) { credit_bytes_ += copies_per_dead_byte * dead_bytes; }
    // Whether there may be something to do, because a segment was closed or has gone since the last
    // look.
    [[nodiscard]] bool is_due() const { return victim_ || is_look_due_ || !to_merge_.empty(); }
    // Asks for one STATE of all recipients in place of the message's STATEs of some.
    void merge_states(MessageId id) {
        if (!unmergeable_.contains(id)) to_merge_.insert(id);
    }
    // A segment is chosen only after this call, because that costs a walk over all of them.
    void look_again() { is_look_due_ = true; }
    // Reads on and gathers what must be copied; returns the room that it takes. Empty if there is
    // nothing to copy in this turn; is_due() says whether to come again. `scarce_room` is as for
    // SegmentUses::choose_victim().
    [[nodiscard]] std::optional<std::uint64_t> begin_turn(std::uint64_t scarce_room);
    // After a turn that reached the end of a segment: its live bytes that were not copied.
    [[nodiscard]] std::optional<SegmentBytes> take_ended() {
        return std::exchange(ended_, std::nullopt);
    }
    void fill(Batch& batch);
    // Ends the turn because the disk cannot read or write now: the segment is taken anew later, and
    // what was paid for copying the rest of it is given back.
    void put_off();
    // A read has failed that may succeed later (DiskError::is_temporary): the caller should put the
    // work off.
    [[nodiscard]] bool is_disk_busy() const { return is_disk_busy_; }

    // Limits of one turn.
    static constexpr std::uint64_t read_bytes_max = 4u << 20;
    static constexpr std::uint64_t copy_bytes_max = 1u << 20;
    // A segment that is three quarters live is the fullest that is copied.
    static constexpr std::uint64_t copies_per_dead_byte = 3;

private:
    struct Found {
        Location where;
        RecordType type = RecordType::batch;
        std::string payload;
    };
    struct WholeMessage {
        EnqueuePayload enqueue;
        std::vector<RecipientState> states;  // empty if there is no STATE
    };
    // A large message that is being moved: its pieces are copied over several turns.
    struct Moving {
        WholeMessage message;
        std::size_t next = 0;               // of its chunks
        std::size_t turn_end = 0;           // this turn takes those before
        std::vector<SegmentBytes> written;  // counted as live, though no ENQ lists them yet
    };

    bool choose(std::uint64_t scarce_room);
    void end_victim();
    void leave_victim();
    void give_up(MessageId id, const StoreError& error);
    [[nodiscard]] bool cover(std::uint64_t at, std::uint64_t length);
    [[nodiscard]] std::optional<Found> next_record();
    [[nodiscard]] bool is_live(const Found& found) const;
    void gather(const Found& found);
    std::uint64_t gather_state(MessageId id);
    void gather_merged();
    void start_moving(MessageId id);
    [[nodiscard]] std::uint64_t plan_moving();
    void fill_moving(Batch& batch);
    void stop_moving();
    [[nodiscard]] std::vector<SegmentBytes> bodies_of_moved() const;

    SegmentUses& uses_;
    const SegmentFiles& files_;
    const Index& index_;
    LogReader& reader_;
    bool is_look_due_ = true;
    std::uint64_t credit_bytes_ = 0;
    std::uint64_t paid_bytes_ = 0;  // for what is still to be copied of the victim

    std::unordered_set<MessageId> to_merge_;
    std::unordered_set<MessageId> unmergeable_;  // one of their STATEs is damaged

    std::optional<SegmentUses::Victim> victim_;
    std::shared_ptr<SegmentFile> file_;
    std::uint64_t at_ = 0;
    std::string window_;  // of the victim, from window_at_ on
    std::uint64_t window_at_ = 0;
    std::uint64_t read_bytes_ = 0;             // this turn
    std::unordered_set<MessageId> unmovable_;  // of this victim: damaged
    std::optional<SegmentBytes> ended_;
    std::optional<Moving> moving_;

    // Of this turn.
    bool is_disk_busy_ = false;
    std::uint64_t room_ = 0;
    std::vector<WholeMessage> messages_;
    std::vector<StatePayload> states_;
    std::unordered_set<MessageId> gathered_;
};

}  // namespace queue::segment_log
