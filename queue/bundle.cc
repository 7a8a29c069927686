#include "queue/bundle.h"

namespace queue {

void BundleLine::push_back(BundleSlab& bundles, std::uint32_t index) {
    auto& bundle = bundles[index];
    bundle.previous = last_;
    bundle.next = nothing;
    if (last_ == nothing) {
        first_ = index;
    } else {
        bundles[last_].next = index;
    }
    last_ = index;
    ++size_;
}

void BundleLine::push_front(BundleSlab& bundles, std::uint32_t index) {
    auto& bundle = bundles[index];
    bundle.previous = nothing;
    bundle.next = first_;
    if (first_ == nothing) {
        last_ = index;
    } else {
        bundles[first_].previous = index;
    }
    first_ = index;
    ++size_;
}

void BundleLine::remove(BundleSlab& bundles, std::uint32_t index) {
    auto& bundle = bundles[index];
    if (bundle.previous == nothing) {
        MTA_ASSERT(first_ == index);
        first_ = bundle.next;
    } else {
        bundles[bundle.previous].next = bundle.next;
    }
    if (bundle.next == nothing) {
        MTA_ASSERT(last_ == index);
        last_ = bundle.previous;
    } else {
        bundles[bundle.next].previous = bundle.previous;
    }
    bundle.previous = bundle.next = nothing;
    --size_;
}

}  // namespace queue
