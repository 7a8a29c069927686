#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "queue/message.h"

namespace queue::log {

// Where a record is. `bytes` counts the whole record, header and filling included; 0: nowhere.
struct Location {
    std::uint64_t segment = 0;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    bool operator==(const Location&) const = default;
};

// How much a message's body takes of a segment.
struct SegmentBytes {
    std::uint64_t segment = 0;
    std::uint64_t bytes = 0;
};

// Where the records of a queued message are.
struct LiveMessage {
    Location enqueue;
    Location state;  // the newest STATE; nowhere: there is none yet
    std::vector<SegmentBytes> bodies;
};

// All messages that are queued, by id. One thread changes it, any may look.
class Index {
public:
    [[nodiscard]] std::optional<LiveMessage> find(MessageId id) const;
    [[nodiscard]] std::size_t size() const;

    // The id must be new.
    void add(MessageId id, LiveMessage message);
    // Where the STATE before was. Nothing: there is no such message.
    std::optional<Location> set_state(MessageId id, const Location& state);
    std::optional<LiveMessage> remove(MessageId id);

private:
    mutable std::mutex mutex_;
    std::unordered_map<MessageId, LiveMessage> messages_;
};

}  // namespace queue::log
