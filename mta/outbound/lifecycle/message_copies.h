#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "mta/base/pending.h"
#include "mta/outbound/context.h"
#include "queue/message.h"
#include "queue/message_table.h"
#include "queue/slab.h"
#include "queue/store.h"

namespace mta::outbound {

// Messages in RAM: each once, for all of its deliveries. New mail from its arrival until its first
// attempt, so that the common case reads nothing back; what was read back, as long as some of it is
// in line or under way; and messages with very many recipients, of which some are always about to
// be tried, as long as there is room. Beyond `delivery.memory_bytes_max` the oldest are let go:
// what waits behind a slow destination is read from the store when its turn comes, and costs the
// others no room.
class MessageCopies {
public:
    MessageCopies(Context& context, queue::Store& store, queue::MessageTable& table)
        : context_(context), store_(store), table_(table) {}

    void keep(queue::MessageHandle message, std::shared_ptr<const queue::Message> copy);
    // Null if only the store has it.
    [[nodiscard]] std::shared_ptr<const queue::Message> get(queue::MessageHandle message) const;
    // From the store. Callers that ask during the read get the same copy.
    using ReadResult = queue::StoreResult<std::shared_ptr<const queue::Message>>;
    using OnRead = std::move_only_function<void(const ReadResult&)>;
    void read(queue::MessageId id, OnRead on_read);
    // Not kept any more, unless it is needed or will be soon. `is_reporting`: for a report that is
    // being made.
    void release(queue::MessageHandle message, bool is_reporting);
    void drop(queue::MessageHandle message);
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    struct Copy {
        std::shared_ptr<const queue::Message> message;
        std::uint64_t bytes = 0;
        queue::MessageHandle owner;
        queue::CopyHandle older;
        queue::CopyHandle newer;
    };

    void on_read(queue::MessageId id, queue::StoreResult<queue::StoredMessage> stored);
    [[nodiscard]] static bool is_needed(const queue::MessageEntry& entry, bool is_reporting);

    Context& context_;
    queue::Store& store_;
    queue::MessageTable& table_;
    queue::Slab<Copy, queue::CopyHandle> copies_;
    std::unordered_map<queue::MessageId, std::vector<OnRead>> reads_;  // under way
    queue::CopyHandle oldest_;
    queue::CopyHandle newest_;
    std::uint64_t bytes_ = 0;
    Pending answers_;
};

}  // namespace mta::outbound
