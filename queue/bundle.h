#pragma once
#include <cstdint>

#include "mta/base/time.h"
#include "queue/handles.h"
#include "queue/slab.h"

namespace queue {

// The recipients of one message that go to one destination together. Bundles wait in lines, and a
// delivery takes one. The entries of the recipients say which bundle they are in
// (RecipientEntry::bundle).
struct Bundle {
    enum class State : std::uint8_t {
        routing,     // in its domain's line: the destination is not known yet
        lined_up,    // in its destination's line
        delivering,  // taken by a delivery
    };
    MessageHandle message;
    // Where it waits, or came from. One of the two is set: the domain while it is routing.
    DomainHandle domain;
    SiteHandle site;
    SenderGroup sender;  // takes turns with others
    std::uint32_t recipients = 0;
    std::uint32_t first_recipient = 0xffffffff;  // none of its recipients has a lower number
    BundleHandle next_of_message;
    BundleHandle previous_of_message;
    BundleHandle previous;
    BundleHandle next;
    // How many attempts had failed at its domain or site when it came there. If there are more
    // now, what it waits for was tried in vain meanwhile.
    std::uint32_t failures_seen = 0;
    State state = State::routing;
    // Which of the sender's lines it stands in.
    std::int8_t priority = 0;
    bool is_retry : 1 = false;
    bool is_huge : 1 = false;
    bool is_of_one : 1 = false;  // its recipient goes alone: no other joins it
    // It was given the next turn because other recipients broke its session; that happens once.
    bool has_gone_first : 1 = false;
    bool is_aside : 1 = false;  // of its destination's line (WaitingBundles::set_aside())
    bool has_stood_aside : 1 = false;
};
static_assert(sizeof(Bundle) <= 48);

using BundleSlab = Slab<Bundle>;

// A FIFO of bundles. It is linked through the bundles, so each call costs the same.
class BundleLine {
public:
    [[nodiscard]] bool empty() const { return !first_; }
    // Empty if there is none.
    [[nodiscard]] BundleHandle front() const { return first_; }
    [[nodiscard]] std::uint32_t size() const { return size_; }
    void push_back(BundleSlab& bundles, BundleHandle handle);
    void push_front(BundleSlab& bundles, BundleHandle handle);
    void remove(BundleSlab& bundles, BundleHandle handle);

private:
    BundleHandle first_;
    BundleHandle last_;
    std::uint32_t size_ = 0;
};

}  // namespace queue
