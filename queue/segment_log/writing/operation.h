#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "queue/message.h"
#include "queue/segment_log/segments/index.h"
#include "queue/store.h"

namespace queue::segment_log {

// What a shard asks the log to write. `shard` and `ticket` come back with the completion.
struct Enqueue {
    std::shared_ptr<const Message> message;
};
struct AppendBody {
    MessageId id = 0;
    std::string chunk;
};
struct DiscardBody {
    MessageId id = 0;
};
struct Update {
    MessageId id = 0;
    StateChanges states;
    std::vector<std::shared_ptr<const Message>> reports;
    std::vector<std::uint64_t> also = {};  // tickets of later ones that became part of it
};
struct Finish {
    MessageId id = 0;
    std::vector<std::shared_ptr<const Message>> reports;
    bool is_awaited = false;  // a caller waits until it is certain
};
// Completes with what was submitted before it.
struct Barrier {};
// From the loader: what the old segments are needed for. Comes before anything about an old
// message.
struct AdoptOldMail {
    std::vector<SegmentCount> counts;
};
struct Operation {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    std::variant<Enqueue, AppendBody, DiscardBody, Update, Finish, Barrier, AdoptOldMail> what;
};
struct Completion {
    std::uint32_t shard = 0;
    std::uint64_t ticket = 0;
    StoreResult<void> result;
};

}  // namespace queue::segment_log
