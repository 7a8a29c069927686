#include "queue/sender_lines.h"

#include <algorithm>
#include <array>

#include "mta/base/assert.h"
#include "mta/base/envelope.h"

namespace queue {
namespace {

// 16 * 2^(level / 2), from the lowest level on.
constexpr std::array<std::uint32_t, 19> level_weights = {
    16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5793, 8192};
static_assert(level_weights.size() == mta::priority_max - mta::priority_min + 1);

// The length of a turn of weight 1. It is so large that rounding does not matter beside 8192 * 10,
// and so small that no sender reaches the end of 64 bits.
constexpr std::uint64_t longest_turn = std::uint64_t{1} << 28;

bool goes_before(const auto& a, const auto& b) {
    if (a.priority != b.priority) return a.priority > b.priority;
    if (a.is_retry != b.is_retry) return !a.is_retry;
    return !a.is_huge && b.is_huge;
}

}  // namespace

void SenderLines::push_back(BundleSlab& bundles, BundleHandle bundle) {
    auto& sender = sender_for(bundles[bundle].sender, ring_.end());
    auto& line = line_for(sender, bundles[bundle]);
    if (line.bundles.empty()) line.time = sender.time + turn_length(sender, line);
    line.bundles.push_back(bundles, bundle);
    ++sender.size;
    ++size_;
}

void SenderLines::push_front(BundleSlab& bundles, BundleHandle bundle) {
    auto& sender = sender_for(bundles[bundle].sender, ring_.begin());
    ring_.splice(ring_.begin(), ring_, by_group_.at(bundles[bundle].sender));
    auto& line = line_for(sender, bundles[bundle]);
    line.bundles.push_front(bundles, bundle);
    line.time = 0;  // before all others
    ++sender.size;
    ++size_;
}

void SenderLines::remove(BundleSlab& bundles, BundleHandle bundle) {
    const auto place = by_group_.find(bundles[bundle].sender);
    MTA_ASSERT(place != by_group_.end());
    auto& sender = *place->second;
    auto& line = line_for(sender, bundles[bundle]);
    line.bundles.remove(bundles, bundle);
    if (line.bundles.empty()) sender.lines.erase(sender.lines.begin() + (&line - &sender.lines[0]));
    --size_;
    if (--sender.size > 0) return;
    ring_.erase(place->second);
    by_group_.erase(place);
}

BundleHandle SenderLines::next() const {
    MTA_ASSERT(!ring_.empty());
    const auto& sender = ring_.front();
    return sender.lines[next_line(sender)].bundles.front();
}

BundleHandle SenderLines::take_turn() {
    MTA_ASSERT(!ring_.empty());
    auto& sender = ring_.front();
    auto& line = sender.lines[next_line(sender)];
    const auto bundle = line.bundles.front();
    sender.time = std::max(sender.time, line.time);
    line.time = sender.time + turn_length(sender, line);
    ring_.splice(ring_.end(), ring_, ring_.begin());
    return bundle;
}

SenderLines::Sender& SenderLines::sender_for(SenderGroup group,
                                             std::list<Sender>::iterator place_if_new) {
    const auto [place, is_new] = by_group_.try_emplace(group);
    if (is_new) {
        place->second = ring_.insert(place_if_new, Sender{});
        place->second->group = group;
    }
    return *place->second;
}

// Returns the sender's line of that kind, which is a new one if the sender has none.
SenderLines::Line& SenderLines::line_for(Sender& sender, const Bundle& bundle) {
    const auto place = std::ranges::find_if(
        sender.lines, [&](const Line& line) { return !goes_before(line, bundle); });
    if (place != sender.lines.end() && !goes_before(bundle, *place)) return *place;
    return *sender.lines.insert(place, {.time = 0,
                                        .bundles = {},
                                        .priority = bundle.priority,
                                        .is_retry = bundle.is_retry,
                                        .is_huge = bundle.is_huge});
}

// Of lines with the same time, the first one is next.
std::size_t SenderLines::next_line(const Sender& sender) {
    const auto earliest = std::ranges::min_element(sender.lines, {}, &Line::time);
    MTA_ASSERT(earliest != sender.lines.end());
    return static_cast<std::size_t>(earliest - sender.lines.begin());
}

std::uint64_t SenderLines::turn_length(const Sender& sender, const Line& line) {
    bool shares_level = false;
    bool has_smaller = false;
    bool has_larger = false;
    for (const auto& other : sender.lines) {
        if (other.priority != line.priority) continue;
        if (other.is_retry != line.is_retry) {
            shares_level = true;
        } else {
            has_smaller = has_smaller || !other.is_huge;
            has_larger = has_larger || other.is_huge;
        }
    }
    // The turns of the line, in tenths of those of its level.
    std::uint64_t share = shares_level ? 5 : 10;
    if (line.is_huge && has_smaller) {
        share = share / 5;
    } else if (!line.is_huge && has_larger) {
        share = share * 4 / 5;
    }
    const auto level = static_cast<std::size_t>(line.priority - mta::priority_min);
    return longest_turn / (level_weights.at(level) * share);
}

}  // namespace queue
