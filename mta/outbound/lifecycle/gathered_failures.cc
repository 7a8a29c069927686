#include "mta/outbound/lifecycle/gathered_failures.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {

void GatheredFailures::add(queue::MessageId id, RecipientOutcome failure, Instant now,
                           Millis first_wait) {
    const auto [place, is_first] = by_message_.try_emplace(id);
    auto& gathered = place->second;
    if (is_first) {
        gathered.first = now;
        gathered.due = now + first_wait;
        by_due_.emplace(gathered.due, id);
    }
    const auto bytes =
        sizeof failure + failure.error.text.capacity() + failure.error.remote.capacity();
    gathered.bytes += bytes;
    bytes_ += bytes;
    gathered.failures.push_back(std::move(failure));
}

std::size_t GatheredFailures::count(queue::MessageId id) const {
    const auto found = by_message_.find(id);
    return found == by_message_.end() ? 0 : found->second.failures.size();
}

std::vector<RecipientOutcome> GatheredFailures::take(queue::MessageId id) {
    const auto found = by_message_.find(id);
    if (found == by_message_.end()) return {};
    auto failures = std::move(found->second.failures);
    bytes_ -= found->second.bytes;
    by_due_.erase({found->second.due, id});
    by_message_.erase(found);
    return failures;
}

std::optional<queue::MessageId> GatheredFailures::due(Instant now) const {
    if (by_due_.empty()) return std::nullopt;
    const auto& [at, id] = *by_due_.begin();
    if (at > now && bytes_ <= bytes_max) return std::nullopt;
    return id;
}

bool GatheredFailures::put_off(queue::MessageId id, Instant now) {
    const auto found = by_message_.find(id);
    MTA_ASSERT(found != by_message_.end());
    auto& gathered = found->second;
    const auto latest = gathered.first + wait_max;
    if (now >= latest || bytes_ > bytes_max) return false;
    by_due_.erase({gathered.due, id});
    gathered.due = std::min(now + wait, latest);
    by_due_.emplace(gathered.due, id);
    return true;
}

std::optional<Instant> GatheredFailures::next_due() const {
    if (by_due_.empty()) return std::nullopt;
    return bytes_ > bytes_max ? Instant::min() : by_due_.begin()->first;
}

}  // namespace mta::outbound
