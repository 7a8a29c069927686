#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/time.h"

namespace dns {

// Of which names something was heard lately: direct-mapped, so that the memory is bounded (1 MiB)
// and a new name forgets an old one now and then.
class NameMemory {
public:
    // After this, a name is as if it had never been asked for.
    static constexpr mta::Millis remembered_for{3'600'000};

    enum class Heard : std::uint8_t {
        nothing,
        answer,   // records, or that there are none
        silence,  // its name servers kept the question waiting until it was given up
    };

    NameMemory() : slots_(slots) {}
    [[nodiscard]] Heard find(const std::string& name, mta::Instant now) const;
    void put(const std::string& name, Heard heard, mta::Instant now);
    void clear() { slots_.assign(slots, {}); }

private:
    static constexpr std::size_t slots = 1u << 16;
    struct Slot {
        std::uint32_t tag = 0;  // of the name: two names share one once in four thousand millions
        Heard heard = Heard::nothing;
        mta::Instant when;
    };
    [[nodiscard]] static std::size_t hash_of(const std::string& name);

    std::vector<Slot> slots_;
};

}  // namespace dns
