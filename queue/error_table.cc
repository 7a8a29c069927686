#include "queue/error_table.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace queue {
namespace {

std::size_t hash_of(const mta::DeliveryError& error) {
    const auto numbers = (std::size_t{error.status.klass} << 48) ^
                         (std::size_t{error.status.subject} << 32) ^
                         (std::size_t{error.status.detail} << 16) ^ error.reply_code;
    const std::hash<std::string_view> hash;
    return hash(error.text) * 31 + hash(error.remote) * 17 + numbers;
}

}  // namespace

// The entry, its texts, and the node in the index.
std::size_t ErrorTable::bytes_of(const mta::DeliveryError& error) {
    constexpr std::size_t index_node_bytes = 48;
    return sizeof(Entry) + index_node_bytes + error.text.size() + error.remote.size();
}

std::uint32_t ErrorTable::intern(const mta::DeliveryError& error) {
    const auto hash = hash_of(error);
    const auto [first, last] = by_hash_.equal_range(hash);
    const auto known = std::find_if(
        first, last, [&](const auto& entry) { return entries_[entry.second].error == error; });
    std::uint32_t index = nothing;
    if (known != last) {
        index = known->second;
    } else {
        index = entries_.add({error, 0});
        by_hash_.emplace(hash, index);
        bytes_ += bytes_of(error);
    }
    ++entries_[index].uses;
    return index;
}

void ErrorTable::release(std::uint32_t index) {
    auto& entry = entries_[index];
    if (--entry.uses > 0) return;
    bytes_ -= bytes_of(entry.error);
    const auto [first, last] = by_hash_.equal_range(hash_of(entry.error));
    by_hash_.erase(
        std::find_if(first, last, [&](const auto& node) { return node.second == index; }));
    entries_.remove(index);
}

}  // namespace queue
