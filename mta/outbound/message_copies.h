#pragma once
#include <cstdint>
#include <memory>

#include "mta/outbound/core.h"
#include "queue/message.h"
#include "queue/slab.h"

namespace mta::outbound {

// Messages kept in RAM from their arrival until their first attempt, so that the common case reads
// nothing back. Beyond `delivery.memory_bytes_max` the oldest are let go: what waits behind a slow
// destination is read from the store when its turn comes, and costs the others no room.
class MessageCopies {
public:
    explicit MessageCopies(Core& core) : core_(core) {}

    void keep(std::uint32_t message, std::shared_ptr<const queue::Message> copy);
    // Null: only the store has it.
    [[nodiscard]] std::shared_ptr<const queue::Message> get(std::uint32_t message) const;
    void drop(std::uint32_t message);
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    struct Copy {
        std::shared_ptr<const queue::Message> message;
        std::uint32_t owner = queue::nothing;
        std::uint32_t older = queue::nothing;
        std::uint32_t newer = queue::nothing;
    };

    Core& core_;
    queue::Slab<Copy> copies_;
    std::uint32_t oldest_ = queue::nothing;
    std::uint32_t newest_ = queue::nothing;
    std::uint64_t bytes_ = 0;
};

}  // namespace mta::outbound
