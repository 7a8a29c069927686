#pragma once
#include <cstddef>

namespace mta::daemon {

// Gives memory back that a peak has left behind. The allocator keeps what is freed for the next
// time: after 900 clients whose large messages stalled that is 100 MB and more, for ever.
//
// look() is called at intervals. What was free at two looks in a row is idle; if that has grown by
// `worth_it_bytes` since it was last given back (or was less), the system gets it. Once it is given
// back it still counts as free, so it is not given back again and again.
class IdleMemory {
public:
    static constexpr std::size_t worth_it_bytes = 32u << 20;

    void look();

    // The decision alone: true if it is time to give back, of `free_bytes` in the allocator.
    [[nodiscard]] bool is_worth_it(std::size_t free_bytes);

private:
    std::size_t free_at_last_look_bytes_ = 0;
    std::size_t given_back_bytes_ = 0;
};

}  // namespace mta::daemon
