#include "mta/daemon/idle_memory.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

namespace mta::daemon {

void IdleMemory::look() {
    if (is_worth_it(::mallinfo2().fordblks)) ::malloc_trim(0);
}

bool IdleMemory::is_worth_it(std::size_t free_bytes) {
    const auto idle_bytes =
        std::min(free_bytes, std::exchange(free_at_last_look_bytes_, free_bytes));
    given_back_bytes_ = std::min(given_back_bytes_, free_bytes);
    if (idle_bytes < given_back_bytes_ + worth_it_bytes) return false;
    given_back_bytes_ = free_bytes;
    return true;
}

}  // namespace mta::daemon
