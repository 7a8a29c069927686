#include "dns/name_memory.h"

#include <functional>
#include <string_view>

namespace dns {

std::size_t NameMemory::hash_of(const std::string& name) {
    return std::hash<std::string_view>{}(name);
}

NameMemory::Heard NameMemory::find(const std::string& name, mta::Instant now) const {
    const auto hash = hash_of(name);
    const auto& slot = slots_[hash % slots];
    const bool is_it = slot.tag == static_cast<std::uint32_t>(hash >> 32);
    return is_it && now - slot.when < remembered_for ? slot.heard : Heard::nothing;
}

void NameMemory::put(const std::string& name, Heard heard, mta::Instant now) {
    const auto hash = hash_of(name);
    slots_[hash % slots] = {static_cast<std::uint32_t>(hash >> 32), heard, now};
}

}  // namespace dns
