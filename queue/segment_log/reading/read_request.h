#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "queue/message.h"
#include "queue/store.h"

namespace queue::segment_log {

struct ReadMessage {
    MessageId id = 0;
};
struct ReadBody {
    MessageId id = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
};
// The next batch of what was queued at start.
struct LoadNext {};
struct ReadRequest {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    std::variant<ReadMessage, ReadBody, LoadNext> what;
};
struct LoadedBatch {
    std::vector<QueuedMessage> messages;
    bool last = false;
};
struct ReadAnswer {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    std::variant<StoreResult<StoredMessage>, StoreResult<std::string>, LoadedBatch> what;
};

}  // namespace queue::segment_log
