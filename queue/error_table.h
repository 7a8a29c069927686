#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "mta/base/outcome.h"
#include "queue/slab.h"

namespace queue {

// What remotes said, each different text once: a server that is out of order tells a hundred
// thousand messages the same.
class ErrorTable {
public:
    // Counts as a use of it, to be given back by release().
    [[nodiscard]] std::uint32_t intern(const mta::DeliveryError& error);
    // With the last use it goes.
    void release(std::uint32_t index);
    [[nodiscard]] const mta::DeliveryError& operator[](std::uint32_t index) const {
        return entries_[index].error;
    }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // In memory, about.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct Entry {
        mta::DeliveryError error;
        std::uint32_t uses = 0;
    };
    [[nodiscard]] static std::size_t bytes_of(const mta::DeliveryError& error);

    Slab<Entry> entries_;
    std::unordered_multimap<std::size_t, std::uint32_t> by_hash_;
    std::size_t bytes_ = 0;
};

}  // namespace queue
