#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "queue/message.h"

namespace queue {

// Finds the handle of an entry of a slab by the entry's id, in 4 bytes a slot at a load of at most
// 3/4. The index keeps handles only: the ids are in the entries, from which the caller's
// `id_of(handle)` reads them.
template <class H>
class IdIndex {
public:
    // Empty if there is no such entry.
    template <class IdOf>
    [[nodiscard]] H find(MessageId id, const IdOf& id_of) const {
        if (slots_.empty()) return {};
        for (auto slot = home(id);; slot = after(slot)) {
            const H handle = slots_[slot];
            if (!handle || id_of(handle) == id) return handle;
        }
    }
    // The id must not be there yet.
    template <class IdOf>
    void add(MessageId id, H handle, const IdOf& id_of) {
        if ((count_ + 1) * 4 > slots_.size() * 3) grow(id_of);
        put(id, handle);
        ++count_;
    }
    // The id must be there.
    template <class IdOf>
    void remove(MessageId id, const IdOf& id_of) {
        auto hole = home(id);
        while (id_of(slots_[hole]) != id) hole = after(hole);
        // Entries that were pushed past the hole move back, so that no search ends too early.
        for (auto slot = after(hole); slots_[slot]; slot = after(slot)) {
            const auto wanted = home(id_of(slots_[slot]));
            const bool may_stay = hole <= slot ? (hole < wanted && wanted <= slot)
                                               : (hole < wanted || wanted <= slot);
            if (may_stay) continue;
            slots_[hole] = slots_[slot];
            hole = slot;
        }
        slots_[hole] = {};
        --count_;
    }

private:
    [[nodiscard]] std::size_t home(MessageId id) const {
        return static_cast<std::size_t>((id * 0x9e3779b97f4a7c15u) >> shift_);
    }
    [[nodiscard]] std::size_t after(std::size_t slot) const {
        return (slot + 1) & (slots_.size() - 1);
    }
    void put(MessageId id, H handle) {
        auto slot = home(id);
        while (slots_[slot]) slot = after(slot);
        slots_[slot] = handle;
    }
    template <class IdOf>
    void grow(const IdOf& id_of) {
        auto old = std::move(slots_);
        slots_.assign(old.empty() ? 64 : old.size() * 2, H{});
        shift_ = 64 - static_cast<unsigned>(std::bit_width(slots_.size()) - 1);
        for (const auto handle : old)
            if (handle) put(id_of(handle), handle);
    }

    std::vector<H> slots_;
    unsigned shift_ = 63;
    std::size_t count_ = 0;
};

// A set of ids, 8 bytes a slot at a load of at most 3/4.
class IdSet {
public:
    [[nodiscard]] bool contains(MessageId id) const {
        if (slots_.empty()) return false;
        for (auto slot = home(id);; slot = (slot + 1) & (slots_.size() - 1)) {
            if (slots_[slot] == id) return true;
            if (slots_[slot] == 0) return false;
        }
    }
    // Returns true if the id was not there. Zero is no id.
    bool insert(MessageId id) {
        if (contains(id)) return false;
        if ((count_ + 1) * 4 > slots_.size() * 3) {
            auto old = std::move(slots_);
            slots_.assign(old.empty() ? 64 : old.size() * 2, 0);
            for (const auto other : old)
                if (other != 0) put(other);
        }
        put(id);
        ++count_;
        return true;
    }
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    [[nodiscard]] std::size_t home(MessageId id) const {
        const auto bits = static_cast<unsigned>(std::bit_width(slots_.size()) - 1);
        return static_cast<std::size_t>((id * 0x9e3779b97f4a7c15u) >> (64 - bits));
    }
    void put(MessageId id) {
        auto slot = home(id);
        while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
        slots_[slot] = id;
    }

    std::vector<MessageId> slots_;
    std::size_t count_ = 0;
};

}  // namespace queue
