#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/format/location.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/segment_uses.h"
#include "queue/segment_log/writing/batch.h"
#include "queue/segment_log/writing/compaction.h"

namespace queue::segment_log {

// Brings the index and the uses of segments up to date with what was written.
//
// From the moment a batch is written, its records are the ones that are read. What they supersede
// is needed until they are certain: until then a power cut could bring the former state back.
//
//     apply(batch) -> (sync) -> drop_superseded
class BatchEffects {
public:
    // All must outlive it.
    BatchEffects(Index& index, SegmentUses& uses, Compaction& compaction)
        : index_(index), uses_(uses), compaction_(compaction) {}

    // `segment`: where the batch is.
    void apply(Batch& batch, std::uint64_t segment);
    enum class Cause : std::uint8_t {
        writing,  // the bytes that die pay for copying
        copying,  // they do not, or copying would pay for itself without end
    };
    // To be called when all that was applied is certain.
    void drop_superseded(Cause cause);
    // Live bytes that go with the next drop_superseded().
    [[nodiscard]] std::span<const SegmentBytes> superseded() const { return superseded_; }

private:
    void apply_state(const Batch::StateWritten& state);
    void apply_done(const DoneMark& mark);
    void apply_copied(MessageId id, const LiveMessage& message);
    void supersede(const Location& where);

    Index& index_;
    SegmentUses& uses_;
    Compaction& compaction_;
    std::vector<SegmentBytes> superseded_;
};

}  // namespace queue::segment_log
