#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/time.h"

namespace dns {

// Remembers how name servers reacted to the last question about each name. The table is
// direct-mapped, so that its size is bounded (1 MiB); a new name now and then displaces an old one.
class NameMemory {
public:
    // After this time a name is unknown again.
    static constexpr mta::Millis remembered_for{3'600'000};

    enum class Heard : std::uint8_t {
        nothing,
        answer,   // records, or that there are none
        silence,  // no answer until the question was given up
    };

    NameMemory() : slots_(slots) {}
    [[nodiscard]] Heard find(const std::string& name, mta::Instant now) const;
    void put(const std::string& name, Heard heard, mta::Instant now);
    void clear() { slots_.assign(slots, {}); }

private:
    static constexpr std::size_t slots = 1u << 16;
    struct Slot {
        std::uint32_t tag = 0;  // from the name's hash; two names share one in 2^32 cases
        Heard heard = Heard::nothing;
        mta::Instant when;
    };
    [[nodiscard]] static std::size_t hash_of(const std::string& name);

    std::vector<Slot> slots_;
};

}  // namespace dns
