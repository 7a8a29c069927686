#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mta/base/handle.h"
#include "mta/base/mutex.h"
#include "queue/id_index.h"
#include "queue/message.h"
#include "queue/segment_log/format/location.h"
#include "queue/slab.h"

namespace queue::segment_log {

// Where the records of a queued message are.
struct LiveMessage {
    Location enqueue;
    Location state;                // the newest STATE of all recipients; nowhere if there is none
    std::vector<Location> deltas;  // STATEs of some recipients that were written after it
    std::vector<SegmentBytes> bodies;
};

// The STATEs that a newer one with all recipients has superseded.
struct Superseded {
    Location state;  // nowhere if there was none
    std::vector<Location> deltas;
};

// A DONE record and the segment of the message that it ends.
struct DoneMark {
    MessageId id = 0;
    std::uint64_t home = 0;
};

// A segment with an older copy of a message's ENQ.
struct OldHome {
    MessageId id = 0;
    std::uint64_t segment = 0;
};

// What a segment is needed for.
struct SegmentCount {
    std::uint64_t number = 0;
    std::uint64_t live_bytes = 0;
    std::vector<DoneMark> dones;
};

// All queued messages, by id, in about 40 bytes each. One thread changes it, and while old mail is
// loaded a second one adds to it; any thread may read it.
class Index {
public:
    [[nodiscard]] std::optional<LiveMessage> find(MessageId id) const;
    // The segment of its ENQ; 0 if there is no such message.
    [[nodiscard]] std::uint64_t home_of(MessageId id) const;
    // Whether the STATE at that place is one of those that count.
    [[nodiscard]] bool has_state_at(MessageId id, const Location& where) const;
    [[nodiscard]] std::size_t size() const;

    // The id must be new.
    void add(MessageId id, const LiveMessage& message);
    // Adds a STATE of all recipients and returns what it supersedes. Empty if there is no such
    // message.
    std::optional<Superseded> set_state(MessageId id, const Location& state);
    // Adds a STATE of some recipients and returns the bytes of all such since the last whole one.
    // Empty if there is no such message.
    std::optional<std::uint64_t> add_delta(MessageId id, const Location& delta);
    // Changes the places of a message whose records have been copied. Returns the former ones.
    std::optional<LiveMessage> replace(MessageId id, const LiveMessage& message);
    std::optional<LiveMessage> remove(MessageId id);

    // Segments with older copies of the message's ENQ, from before it was copied. As long as one of
    // them exists, only a DONE that names it keeps the message from coming back.
    void add_old_home(const OldHome& home);
    [[nodiscard]] std::vector<std::uint64_t> old_homes(MessageId id) const;
    // To be called when that segment is gone for certain.
    void forget_old_home(std::uint64_t segment);

private:
    // Offsets and lengths of records are multiples of 8, and fit 32 bits by far.
    struct Place {
        std::uint32_t segment = 0;
        std::uint32_t offset_8 = 0;
        std::uint32_t bytes_8 = 0;
        auto operator<=>(const Place&) const = default;
    };
    struct Entry {
        MessageId id = 0;
        Place enqueue;
        Place state;
    };
    static_assert(sizeof(Entry) == 32);
    using EntryHandle = mta::Handle<Entry>;
    struct Deltas {
        std::vector<Place> places;  // by place
        std::uint64_t bytes = 0;
    };
    static Place pack(const Location& where);
    static Location unpack(const Place& place);
    static std::vector<Location> unpack(const std::vector<Place>& places);
    // The id of an entry, for IdIndex.
    struct IdOf {
        const Slab<Entry>& entries;
        MessageId operator()(EntryHandle slot) const { return entries[slot].id; }
    };
    [[nodiscard]] EntryHandle slot_of(MessageId id) const REQUIRES(mutex_);
    [[nodiscard]] LiveMessage live_of(const Entry& entry) const REQUIRES(mutex_);
    void set(Entry& entry, const LiveMessage& message) REQUIRES(mutex_);
    std::uint64_t insert_delta(MessageId id, const Location& delta) REQUIRES(mutex_);

    mutable mta::Mutex mutex_;
    Slab<Entry> entries_ GUARDED_BY(mutex_);
    IdIndex<EntryHandle> by_id_ GUARDED_BY(mutex_);
    // Few messages have any.
    std::unordered_map<MessageId, Deltas> deltas_ GUARDED_BY(mutex_);
    // Large messages only.
    std::unordered_map<MessageId, std::vector<SegmentBytes>> bodies_ GUARDED_BY(mutex_);
    std::unordered_map<MessageId, std::vector<std::uint64_t>> old_homes_ GUARDED_BY(mutex_);
};

}  // namespace queue::segment_log
