#include "queue/log/index.h"

#include "mta/base/assert.h"

namespace queue::log {

std::optional<LiveMessage> Index::find(MessageId id) const {
    const std::lock_guard guard(mutex_);
    const auto found = messages_.find(id);
    if (found == messages_.end()) return std::nullopt;
    return found->second;
}

std::size_t Index::size() const {
    const std::lock_guard guard(mutex_);
    return messages_.size();
}

void Index::add(MessageId id, LiveMessage message) {
    const std::lock_guard guard(mutex_);
    const bool is_new = messages_.emplace(id, std::move(message)).second;
    MTA_ASSERT(is_new);
}

std::optional<Location> Index::set_state(MessageId id, const Location& state) {
    const std::lock_guard guard(mutex_);
    const auto found = messages_.find(id);
    if (found == messages_.end()) return std::nullopt;
    return std::exchange(found->second.state, state);
}

std::optional<LiveMessage> Index::remove(MessageId id) {
    const std::lock_guard guard(mutex_);
    auto node = messages_.extract(id);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped());
}

}  // namespace queue::log
