#include "queue/segment_log/segments/segment_uses.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace queue::segment_log {

void SegmentUses::adopt(const Segment& segment) {
    insert(segment, Fate::kept);
    look_at(segment.number);
}

void SegmentUses::open(const Segment& segment) { insert(segment, Fate::open); }

void SegmentUses::insert(const Segment& segment, Fate fate) {
    uses_[segment.number].fate = fate;
    ++count_;
    resize(segment.number, segment.end, std::max(segment.end, segment.file_bytes));
    files_.add(segment.number, segment.generation);
}

void SegmentUses::resize(std::uint64_t number, std::uint64_t end, std::uint64_t file_bytes) {
    auto& use = uses_.at(number);
    bytes_ += end - use.end;
    use.end = end;
    file_bytes_ += file_bytes - use.file_bytes;
    use.file_bytes = file_bytes;
}

void SegmentUses::close(std::uint64_t number) {
    auto& use = uses_.at(number);
    MTA_ASSERT(use.fate == Fate::open);
    use.fate = Fate::kept;
    look_at(number);
}

void SegmentUses::add_live(const SegmentBytes& more) {
    const auto use = uses_.find(more.segment);
    MTA_ASSERT(use != uses_.end());
    use->second.live_bytes += more.bytes;
    live_bytes_ += more.bytes;
}

void SegmentUses::drop_live(const SegmentBytes& fewer) {
    const auto use = uses_.find(fewer.segment);
    MTA_ASSERT(use != uses_.end() && use->second.live_bytes >= fewer.bytes);
    use->second.live_bytes -= fewer.bytes;
    live_bytes_ -= fewer.bytes;
    if (use->second.live_bytes == 0) look_at(fewer.segment);
}

void SegmentUses::look_at(std::uint64_t number) {
    to_look_at_.insert(number);
    is_recycling_due_ = true;
}

void SegmentUses::add_done(std::uint64_t number, const DoneMark& done) {
    if (done.home == number || !uses_.contains(done.home)) return;
    auto& use = uses_.at(number);
    auto& ids = use.dones[done.home];
    if (ids.empty()) done_holders_[done.home].insert(number);
    ids.push_back(done.id);
    ++use.done_count;
}

// The home is gone for certain, so the DONEs for it are no longer needed.
void SegmentUses::forget_home(std::uint64_t home) {
    const auto holders = done_holders_.extract(home);
    if (holders.empty()) return;
    for (const auto number : holders.mapped()) {
        auto& use = uses_.at(number);
        use.done_count -= use.dones.extract(home).mapped().size();
        if (use.live_bytes == 0) look_at(number);
    }
}

void SegmentUses::forget_dones(std::uint64_t number, Use& use) {
    for (const auto& [home, ids] : use.dones) {
        const auto holders = done_holders_.find(home);
        holders->second.erase(number);
        if (holders->second.empty()) done_holders_.erase(holders);
    }
    use.dones.clear();
    use.done_count = 0;
}

void SegmentUses::carried() {
    to_carry_.clear();
    for (const auto number : std::exchange(carried_from_, {})) {
        auto& use = uses_.at(number);
        use.fate = Fate::kept;
        forget_dones(number, use);
        look_at(number);
    }
    is_recycling_due_ = true;
}

std::vector<std::uint64_t> SegmentUses::settle_retired() {
    std::vector<std::uint64_t> gone;
    for (const auto& retired : housekeeping_.take_retired()) {
        auto& use = uses_.at(retired.number);
        if (!retired.is_gone) {
            use.fate = Fate::stuck;
            continue;
        }
        resize(retired.number, 0, 0);
        --count_;
        uses_.erase(retired.number);
        forget_home(retired.number);
        gone.push_back(retired.number);
    }
    return gone;
}

std::vector<std::uint64_t> SegmentUses::recycle() {
    auto gone = settle_retired();
    if (is_held_back_ || !std::exchange(is_recycling_due_, false)) return gone;
    std::erase_if(to_look_at_, [this](std::uint64_t number) { return let_go(number); });
    return gone;
}

bool SegmentUses::let_go(std::uint64_t number) {
    const auto found = uses_.find(number);
    if (found == uses_.end()) return true;
    auto& use = found->second;
    // Whatever ends one of these conditions calls look_at() again.
    if (use.live_bytes > 0 || use.fate != Fate::kept) return true;
    // A home is gone for certain before its DONEs may go: those wait for settle_retired().
    return use.done_count == 0 ? retire(number, use) : carry(number, use);
}

// Only DONEs are left in the segment. They are written again if that is little beside what it
// frees. The DONEs of a segment that is full of them wait until their homes have gone.
bool SegmentUses::carry(std::uint64_t number, Use& use) {
    const auto bytes = use.done_count * carried_bytes;
    if (bytes * freed_bytes_per_carried > std::min(use.end, options_.segment_bytes)) return true;
    const auto bytes_max = std::min(options_.batch_bytes_max, options_.segment_bytes) / 8;
    const auto bytes_before = to_carry_.size() * carried_bytes;
    if (bytes_before > 0 && bytes_before + bytes > bytes_max) return false;  // with the next ones
    use.fate = Fate::carried;
    carried_from_.push_back(number);
    for (const auto& [home, ids] : use.dones) {
        for (const auto id : ids) to_carry_.push_back({id, home});
    }
    return true;
}

bool SegmentUses::retire(std::uint64_t number, Use& use) {
    if (!files_.remove_unless_read(number)) {
        is_recycling_due_ = true;
        return false;
    }
    use.fate = Fate::retiring;
    housekeeping_.retire(number, use.end);
    return true;
}

std::uint64_t SegmentUses::newest_open() const {
    for (auto use = uses_.rbegin(); use != uses_.rend(); ++use) {
        if (use->second.fate == Fate::open) return use->first;
    }
    return 0;
}

std::optional<SegmentUses::Victim> SegmentUses::choose_victim(std::uint64_t scarce_room) const {
    if (is_held_back_) return std::nullopt;
    const auto slack = options_.slack_segments * options_.segment_bytes;
    const bool is_too_much = file_bytes_ > 2 * live_bytes_ + slack;
    const auto newest = newest_open();
    std::optional<Victim> best;
    double best_share = 1;
    for (const auto& [number, use] : uses_) {
        if (use.live_bytes == 0 || use.live_bytes == use.live_after_compaction) continue;
        if (use.fate != Fate::kept) continue;
        const auto share = static_cast<double>(use.live_bytes) / static_cast<double>(use.end);
        const bool gives_room = use.live_bytes <= scarce_room / 4 * 3;
        const bool is_worth_it = ((is_too_much || gives_room) && share < 0.75) ||
                                 (share < 0.25 && number + options_.young_segments < newest);
        if (!is_worth_it || share >= best_share) continue;
        best = Victim{.number = number, .end = use.end, .live_bytes = use.live_bytes};
        best_share = share;
    }
    return best;
}

std::uint64_t SegmentUses::mark_compacted(std::uint64_t number) {
    const auto use = uses_.find(number);
    if (use == uses_.end()) return 0;
    use->second.live_after_compaction = use->second.live_bytes;
    return use->second.live_bytes;
}

}  // namespace queue::segment_log
