#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/format/record.h"

namespace queue::segment_log {

// The payloads of the records (queue/FORMAT.md). put_* append to `out`; parse_* return nullopt if
// the bytes are not exactly such a payload: every field is checked before it is used, and nothing
// is allocated for a count that the bytes could not hold.

// One piece of a large body: the payload of a BODY record.
struct ChunkRef {
    std::uint64_t segment = 0;
    std::uint32_t offset = 0;  // of the BODY record
    std::uint32_t length = 0;  // of the piece
    std::uint32_t crc = 0;     // crc32c of the piece
    bool operator==(const ChunkRef&) const = default;
};

// The sender's requests as they are kept in ENQ and in digests; empty if there are none.
[[nodiscard]] std::string format_requests(const mta::Requests& requests);
// Empty if the bytes are no requests. What follows the known ones is ignored.
[[nodiscard]] std::optional<mta::Requests> parse_requests(std::string_view bytes);

struct EnqueuePayload {
    Message message;  // body: inline, or empty
    std::uint32_t body_crc = 0;
    std::vector<ChunkRef> chunks;  // of a body that is not inline, in order
};

void put_enqueue(std::string& out, const Message& message, std::uint32_t body_crc,
                 const std::vector<ChunkRef>& chunks);
[[nodiscard]] std::optional<EnqueuePayload> parse_enqueue(std::string_view payload);
// Never less than what put_enqueue appends.
[[nodiscard]] std::size_t enqueue_bytes_max(const Message& message, std::size_t chunk_count);

struct BodyPayload {
    MessageId id = 0;
    std::uint32_t index = 0;  // 0, 1, 2... within the message
    std::string_view chunk;
};
inline constexpr std::size_t body_prefix_bytes = 16;
void put_body(std::string& out, MessageId id, std::uint32_t index, std::string_view chunk);
[[nodiscard]] std::optional<BodyPayload> parse_body(std::string_view payload);

struct StatePayload {
    MessageId id = 0;
    std::uint64_t home = 0;  // the segment of the message's ENQ record
    StateChanges states;
};
void put_state(std::string& out, MessageId id, std::uint64_t home, const StateChanges& states);
// `version`: of the record. All recipients are in one of version 1.
[[nodiscard]] std::optional<StatePayload> parse_state(
    std::string_view payload, std::uint16_t version = record_version(RecordType::state));
// Never less than what put_state appends.
[[nodiscard]] std::size_t state_bytes_max(const StateChanges& states);

struct DonePayload {
    MessageId id = 0;
    std::uint64_t home = 0;
};
inline constexpr std::size_t done_bytes = 16;
void put_done(std::string& out, const DonePayload& done);
[[nodiscard]] std::optional<DonePayload> parse_done(std::string_view payload);

// Segments are written in two streams: new mail, and old mail that compaction has copied together.
enum class Stream : std::uint8_t { hot = 0, cold = 1 };
inline constexpr std::size_t stream_count = 2;

// What a segment's BATCH records say about the segment: the same in each of them.
struct SegmentOrigin {
    Stream stream = Stream::hot;
    std::uint64_t first_lsn = 0;     // of its first record
    std::uint64_t previous = 0;      // the segment before in the stream; 0: none
    std::uint64_t previous_end = 0;  // where the records of that one end; all before it was synced
    bool operator==(const SegmentOrigin&) const = default;
};
// Whether the first of two segments of one stream is older. Their numbers do not show it: a segment
// that was made ready may be used later than one with a higher number.
[[nodiscard]] inline bool is_before(const SegmentOrigin& one, const SegmentOrigin& other) {
    return one.stream == other.stream && one.first_lsn < other.first_lsn;
}
// Above it no ids are left to give.
inline constexpr std::uint64_t id_ceiling_max = message_id_max + 1;
struct BatchPayload {
    std::uint32_t count = 0;        // records that follow in the same write
    std::uint64_t durable_lsn = 0;  // of this stream everything up to here was synced before
    std::uint64_t id_ceiling = 0;   // no id from here on has been given away
    SegmentOrigin origin;
};
inline constexpr std::size_t batch_bytes = 48;
void put_batch(std::string& out, const BatchPayload& batch);
[[nodiscard]] std::optional<BatchPayload> parse_batch(std::string_view payload);

}  // namespace queue::segment_log
