#include "queue/bundle.h"

namespace queue {

void BundleLine::push_back(BundleSlab& bundles, BundleHandle handle) {
    auto& bundle = bundles[handle];
    bundle.previous = last_;
    bundle.next = {};
    if (!last_) {
        first_ = handle;
    } else {
        bundles[last_].next = handle;
    }
    last_ = handle;
    ++size_;
}

void BundleLine::push_front(BundleSlab& bundles, BundleHandle handle) {
    auto& bundle = bundles[handle];
    bundle.previous = {};
    bundle.next = first_;
    if (!first_) {
        last_ = handle;
    } else {
        bundles[first_].previous = handle;
    }
    first_ = handle;
    ++size_;
}

void BundleLine::remove(BundleSlab& bundles, BundleHandle handle) {
    auto& bundle = bundles[handle];
    if (!bundle.previous) {
        MTA_ASSERT(first_ == handle);
        first_ = bundle.next;
    } else {
        bundles[bundle.previous].next = bundle.next;
    }
    if (!bundle.next) {
        MTA_ASSERT(last_ == handle);
        last_ = bundle.previous;
    } else {
        bundles[bundle.next].previous = bundle.previous;
    }
    bundle.previous = bundle.next = {};
    --size_;
}

}  // namespace queue
