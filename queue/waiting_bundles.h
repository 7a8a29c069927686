#pragma once
#include <cstdint>

#include "queue/bundle.h"
#include "queue/sender_lines.h"

namespace queue {

// The bundles that wait for a destination: in line, where senders take turns, or aside, where a
// bundle gets no turn until it is lined up again.
class WaitingBundles {
public:
    [[nodiscard]] std::uint32_t in_line() const { return lines_.size(); }
    [[nodiscard]] std::uint32_t aside() const { return aside_.size(); }
    [[nodiscard]] std::uint32_t size() const { return in_line() + aside(); }

    void line_up(BundleSlab& bundles, BundleHandle bundle) { lines_.push_back(bundles, bundle); }
    // It has had its turn in vain, through no fault of its own.
    void line_up_first(BundleSlab& bundles, BundleHandle bundle) {
        lines_.push_front(bundles, bundle);
    }
    void set_aside(BundleSlab& bundles, BundleHandle bundle) {
        bundles[bundle].is_aside = true;
        aside_.push_back(bundles, bundle);
    }
    // Only if aside() > 0. The bundle is in no line afterwards.
    [[nodiscard]] BundleHandle take_from_aside(BundleSlab& bundles) {
        const auto bundle = aside_.take_turn();
        leave(bundles, bundle);
        return bundle;
    }
    void leave(BundleSlab& bundles, BundleHandle bundle) {
        const bool is_aside = bundles[bundle].is_aside;
        bundles[bundle].is_aside = false;
        (is_aside ? aside_ : lines_).remove(bundles, bundle);
    }
    // Only if in_line() > 0.
    [[nodiscard]] BundleHandle next() const { return lines_.next(); }
    // The same, and the turn passes on. The bundle stays in line.
    [[nodiscard]] BundleHandle take_turn() { return lines_.take_turn(); }

private:
    SenderLines lines_;
    SenderLines aside_;
};

}  // namespace queue
