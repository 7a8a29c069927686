#pragma once
#include <cstddef>
#include <functional>
#include <iterator>
#include <list>
#include <unordered_map>
#include <utility>

namespace mta::outbound {

// A map with at most so many entries: beyond it the one that was not touched for longest makes
// room, of those that `is_expendable` lets go; if none of the oldest few is, it grows.
template <class Key, class Value>
class RecentMap {
public:
    using IsExpendable = std::function<bool(const Value&)>;

    RecentMap(std::size_t entries_max, IsExpendable is_expendable)
        : entries_max_(entries_max), is_expendable_(std::move(is_expendable)) {}

    // Made if there is none; now the one touched last. The reference is good until the next one.
    [[nodiscard]] Value& touch(const Key& key) {
        if (const auto known = by_key_.find(key); known != by_key_.end()) {
            entries_.splice(entries_.end(), entries_, known->second);
            return known->second->second;
        }
        make_room();
        entries_.emplace_back(key, Value{});
        by_key_.emplace(key, std::prev(entries_.end()));
        return entries_.back().second;
    }
    [[nodiscard]] Value* find(const Key& key) {
        const auto known = by_key_.find(key);
        return known == by_key_.end() ? nullptr : &known->second->second;
    }
    [[nodiscard]] const Value* find(const Key& key) const {
        const auto known = by_key_.find(key);
        return known == by_key_.end() ? nullptr : &known->second->second;
    }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // From the one that was not touched for longest.
    [[nodiscard]] auto begin() const { return entries_.begin(); }
    [[nodiscard]] auto end() const { return entries_.end(); }

private:
    static constexpr int looked_at_max = 8;

    void make_room() {
        if (entries_.size() < entries_max_) return;
        auto entry = entries_.begin();
        for (int i = 0; i < looked_at_max && entry != entries_.end(); ++i, ++entry) {
            if (!is_expendable_(entry->second)) continue;
            by_key_.erase(entry->first);
            entries_.erase(entry);
            return;
        }
    }

    std::size_t entries_max_;
    IsExpendable is_expendable_;
    std::list<std::pair<Key, Value>> entries_;
    std::unordered_map<Key, typename std::list<std::pair<Key, Value>>::iterator> by_key_;
};

}  // namespace mta::outbound
