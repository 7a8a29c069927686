#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/segments/index.h"
#include "queue/segment_log/segments/segment_uses.h"
#include "queue/segment_log/segments/segment_writer.h"
#include "queue/segment_log/writing/operation.h"
#include "queue/segment_log/writing/upload.h"

namespace queue::segment_log {

// The bytes of one write, and the effects that it has once it is certain.
//
// The bytes are made for the place where they will stand: the end of the stream's current segment.
// A BATCH record leads, and the operations' records follow in their order.
//
// A hot batch is made of operations; a cold one of copies (copy_*), for compaction.
class Batch {
public:
    struct Added {
        MessageId id = 0;
        LiveMessage message;
    };
    struct StateWritten {
        MessageId id = 0;
        Location where;
        std::uint32_t recipients = 0;  // of the message
        std::uint32_t written = 0;     // those whose states are in it
    };
    struct DoneWritten {
        DoneMark mark;
        bool is_carried = false;  // only repeated: its message is long gone from the index
    };
    struct Copied {  // all of its records that had to move
        MessageId id = 0;
        LiveMessage message;
    };
    using Effect = std::variant<Added, StateWritten, DoneWritten, Copied>;

    // The room that an operation may need, filling and headers included, where the batch already
    // has `pieces_before` pieces of bodies.
    [[nodiscard]] static std::uint64_t bytes_max(const Operation& operation, const Uploads& uploads,
                                                 std::size_t pieces_before);
    // The lead: a BATCH record.
    static constexpr std::uint64_t lead_bytes = record_header_bytes + batch_bytes;
    static constexpr std::uint64_t carried_bytes = SegmentUses::carried_bytes;
    [[nodiscard]] static std::uint32_t record_count(const Operation& operation);

    // When the records of a batch must be certain.
    enum class Certainty : std::uint8_t {
        whenever,  // pieces of a body, which do not count without their ENQ
        soon,      // no caller waits: with the next sync, or within LogService::sync_delay
        now,       // a caller waits
    };
    [[nodiscard]] static Certainty certainty_of(const Operation& operation);

    // All must outlive the batch. Pieces of bodies are counted in `uses` and `uploads` at once:
    // nothing else refers to them yet.
    struct Parts {
        const SegmentWriter& writer;
        SegmentUses& uses;
        const Index& index;
        Uploads& uploads;
    };
    Batch(const Parts& parts, std::uint64_t first_lsn);

    // Returns false if the message does not exist; its reports are written all the same.
    [[nodiscard]] bool add(const Operation& operation);
    void carry(const DoneMark& mark);

    // The same piece of a body at another place. Counted as live at once.
    ChunkRef copy_chunk(MessageId id, std::uint32_t index, std::string_view chunk);
    // A message whose ENQ is written anew, with its state if it has one. `bodies`: where its pieces
    // are now.
    void copy_message(const EnqueuePayload& enqueue, const std::vector<RecipientState>& states,
                      std::vector<SegmentBytes> bodies);
    // Only its states, of all recipients; the ENQ is elsewhere.
    void copy_state(const StatePayload& state);

    // Fills in the BATCH record; nothing may be added after it.
    void complete(std::uint64_t durable_lsn, std::uint64_t id_ceiling);

    // Whether there is no record at all, and so nothing to write (a discarded body).
    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    [[nodiscard]] Certainty certainty() const { return certainty_; }
    // Pieces of bodies that will never get their ENQ.
    [[nodiscard]] std::uint64_t discarded_bytes() const { return discarded_bytes_; }
    [[nodiscard]] std::string& bytes() { return bytes_; }
    [[nodiscard]] std::uint64_t last_lsn() const { return next_lsn_ - 1; }
    [[nodiscard]] std::vector<Effect>& effects() { return effects_; }

private:
    void enqueue(const Message& message);
    void append_body(const AppendBody& body);
    void discard_body(MessageId id);
    void discard(const Upload& upload);
    void require(Certainty certainty) { certainty_ = std::max(certainty_, certainty); }
    bool update(const Update& update);
    bool finish(const Finish& finish);
    // The segment of the message's ENQ; 0 if there is none.
    [[nodiscard]] std::uint64_t home_of(MessageId id) const;
    void put_state_record(const StatePayload& state);
    void put_done_record(const DoneMark& mark, bool is_carried);
    Location end(std::size_t begin, RecordType type);

    const SegmentWriter& writer_;
    SegmentUses& uses_;
    const Index& index_;
    Uploads& uploads_;
    const std::uint64_t segment_;
    const std::uint64_t offset_;  // of bytes_ in the segment
    const std::uint64_t first_lsn_;
    std::uint64_t next_lsn_;
    std::uint32_t count_ = 0;
    Certainty certainty_ = Certainty::whenever;
    std::uint64_t discarded_bytes_ = 0;
    std::string bytes_;
    std::vector<Effect> effects_;
    std::unordered_map<MessageId, bool> here_;  // enqueued (true) or finished (false) in this batch
};

}  // namespace queue::segment_log
