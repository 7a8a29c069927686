#include "queue/sender_lines.h"

#include "mta/base/assert.h"

namespace queue {

void SenderLines::push_back(BundleSlab& bundles, std::uint32_t bundle) {
    const auto group = bundles[bundle].sender;
    const auto [place, is_new] = by_group_.try_emplace(group);
    if (is_new) {
        place->second = ring_.insert(ring_.end(), Sender{});
        place->second->group = group;
    }
    auto& sender = *place->second;
    (bundles[bundle].is_retry ? sender.retries : sender.fresh).push_back(bundles, bundle);
    ++size_;
}

void SenderLines::remove(BundleSlab& bundles, std::uint32_t bundle) {
    const auto place = by_group_.find(bundles[bundle].sender);
    MTA_ASSERT(place != by_group_.end());
    auto& sender = *place->second;
    (bundles[bundle].is_retry ? sender.retries : sender.fresh).remove(bundles, bundle);
    --size_;
    if (!sender.fresh.empty() || !sender.retries.empty()) return;
    ring_.erase(place->second);
    by_group_.erase(place);
}

std::uint32_t SenderLines::next() const {
    MTA_ASSERT(!ring_.empty());
    const auto& sender = ring_.front();
    const bool take_retry =
        sender.fresh.empty() || (sender.is_retry_turn && !sender.retries.empty());
    return (take_retry ? sender.retries : sender.fresh).front();
}

std::uint32_t SenderLines::take_turn() {
    const auto bundle = next();
    ring_.front().is_retry_turn = !ring_.front().is_retry_turn;
    ring_.splice(ring_.end(), ring_, ring_.begin());
    return bundle;
}

}  // namespace queue
