#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/format/location.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_header.h"

namespace queue::segment_log {

// What a start needs to know of one segment: what its records say, without addresses and bodies, in
// about 130 bytes a message. It is made from the records, kept in the segment's .idx file
// (queue/FORMAT.md), and read at the next start in place of the segment. It can always be made
// again, so its file is never synced, and a damaged one is ignored.

// What a digest says of the segment as a whole.
struct DigestHead {
    Uuid spool{};
    std::uint64_t number = 0;
    Generation generation;
    std::uint64_t end = 0;  // of the records
    std::uint64_t lsn_max = 0;
    std::uint64_t id_max = 0;
    std::uint64_t ceiling_lsn = 0;  // of the BATCH that said `id_ceiling`
    std::uint64_t id_ceiling = 0;
    std::uint64_t records = 0;
    std::uint64_t pinned_bytes = 0;  // of records of an unknown kind
    SegmentOrigin origin;
};

struct EnqueueEntry {
    std::uint64_t lsn = 0;
    Location where;
    QueuedMessage message;  // its states are still those of new mail
    std::vector<ChunkRef> chunks;
};
struct BodyEntry {
    MessageId id = 0;
    Location where;
};
struct StateEntry {
    std::uint64_t lsn = 0;
    Location where;
    MessageId id = 0;
    StateChanges states;
};
struct DoneEntry {
    MessageId id = 0;
    std::uint64_t home = 0;
};

class Digest {
public:
    // Keeps the bytes. Empty if they are not those of a digest file, or damaged.
    [[nodiscard]] static std::optional<Digest> parse(std::string bytes);
    // Only the head, from the first head_bytes of the file.
    [[nodiscard]] static std::optional<DigestHead> parse_head(std::string_view bytes);
    static constexpr std::size_t head_bytes = 160;

    [[nodiscard]] const DigestHead& head() const { return head_; }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

    // The kind of the entry at an offset, and its ids, so that a loop over millions of entries
    // reads no more than it needs.
    struct Peek {
        RecordType type = RecordType::batch;
        std::uint32_t at = 0;  // where the entry begins; good for the calls below
        MessageId id = 0;
        std::uint64_t lsn = 0;   // ENQ, STATE
        Location where;          // ENQ, BODY, STATE
        std::uint64_t home = 0;  // DONE
    };
    void for_each(const std::function<void(const Peek&)>& visit) const;
    [[nodiscard]] Location place_at(std::uint32_t at) const;
    [[nodiscard]] EnqueueEntry enqueue_at(std::uint32_t at) const;
    [[nodiscard]] StateEntry state_at(std::uint32_t at) const;
    // The earliest next attempt of those in a STATE, the arrival or the release of an ENQ; and how
    // many recipients the message has.
    [[nodiscard]] mta::Instant due_at(std::uint32_t at) const;
    [[nodiscard]] std::uint32_t recipients_at(std::uint32_t at) const;
    // Whether the STATE contains all recipients.
    [[nodiscard]] bool is_whole_at(std::uint32_t at) const;
    [[nodiscard]] std::vector<ChunkRef> chunks_at(std::uint32_t at) const;

private:
    friend class DigestMaker;
    std::string bytes_;
    DigestHead head_;
    std::size_t entries_begin_ = 0;
    std::vector<std::string_view> strings_;  // into bytes_, which therefore must not be small
};

// Takes a segment's records one by one.
class DigestMaker {
public:
    // Returns false for a record that is whole, but of an unknown kind.
    bool add(const Location& where, const Record& record);
    void pin(std::uint64_t bytes) { head_.pinned_bytes += bytes; }
    // `end` and the like are the caller's to fill in.
    [[nodiscard]] DigestHead& head() { return head_; }
    [[nodiscard]] Digest finish();

private:
    bool add_enqueue(const Location& where, const Record& record);
    bool add_state(const Location& where, const Record& record);
    void begin(RecordType type, const Location& where);
    std::uint32_t intern(std::string_view text);

    DigestHead head_;
    std::string entries_;
    std::unordered_map<std::string, std::uint32_t> numbers_;
    std::vector<const std::string*> strings_;
};

}  // namespace queue::segment_log
