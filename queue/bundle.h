#pragma once
#include <cstdint>

#include "mta/base/time.h"
#include "queue/slab.h"

namespace queue {

// The recipients of one message that go to one destination together: what waits in a line and what
// a delivery takes. Which recipients they are, the recipients' entries say
// (RecipientEntry::bundle).
struct Bundle {
    enum class State : std::uint8_t {
        routing,     // in its domain's line: the destination is not known yet
        lined_up,    // in its destination's line
        delivering,  // taken by a delivery
    };
    std::uint32_t message = nothing;
    // routing: the domain; otherwise the destination.
    std::uint32_t place = nothing;
    std::uint32_t sender = nothing;  // its group (SenderTable), which takes turns with others
    std::uint32_t recipients = 0;
    std::uint32_t first_recipient = nothing;  // none of its recipients has a lower number
    std::uint32_t next_of_message = nothing;
    std::uint32_t previous_of_message = nothing;
    std::uint32_t previous = nothing;
    std::uint32_t next = nothing;
    // Of its place, when it came there: how many attempts had failed. If there are more now, what
    // it waits for was tried in vain meanwhile.
    std::uint32_t failures_seen = 0;
    State state = State::routing;
    // Which of the sender's lines it stands in.
    std::int8_t priority = 0;
    bool is_retry = false;
    bool is_huge = false;
    bool is_of_one = false;  // of a recipient that goes alone: no other joins it
    // It has had the next turn because other recipients broke its session; it gets that only once.
    bool has_gone_first = false;
    bool is_aside = false;  // of its destination's line (Destination::set_aside())
    bool has_stood_aside = false;
};

using BundleSlab = Slab<Bundle>;

// First come, first served, of bundles: linked through themselves, so that taking one out of the
// middle costs a constant too.
class BundleLine {
public:
    [[nodiscard]] bool empty() const { return first_ == nothing; }
    [[nodiscard]] std::uint32_t front() const { return first_; }
    [[nodiscard]] std::uint32_t size() const { return size_; }
    void push_back(BundleSlab& bundles, std::uint32_t index);
    void push_front(BundleSlab& bundles, std::uint32_t index);
    void remove(BundleSlab& bundles, std::uint32_t index);

private:
    std::uint32_t first_ = nothing;
    std::uint32_t last_ = nothing;
    std::uint32_t size_ = 0;
};

}  // namespace queue
