#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mta/base/assert.h"

namespace queue {

// "No such entry" for every kind of index below.
inline constexpr std::uint32_t nothing = 0xffffffff;

// Entries addressed by 32-bit indices, which stay put while the slab grows (no copying of millions
// of entries, no pointers to keep). A freed index is used again: whoever keeps one must know that
// its entry still lives.
template <class T>
class Slab {
public:
    [[nodiscard]] std::uint32_t add(T value = T{}) {
        std::uint32_t index;
        if (free_.empty()) {
            index = used_++;
            if (index / chunk_entries == chunks_.size())
                chunks_.push_back(std::make_unique<T[]>(chunk_entries));
        } else {
            index = free_.back();
            free_.pop_back();
        }
        ++count_;
        (*this)[index] = std::move(value);
        return index;
    }
    void remove(std::uint32_t index) {
        (*this)[index] = T{};
        free_.push_back(index);
        --count_;
    }
    [[nodiscard]] T& operator[](std::uint32_t index) {
        MTA_ASSERT(index < used_);
        return chunks_[index / chunk_entries][index % chunk_entries];
    }
    [[nodiscard]] const T& operator[](std::uint32_t index) const {
        MTA_ASSERT(index < used_);
        return chunks_[index / chunk_entries][index % chunk_entries];
    }
    // Indices are below this; which of them live, an entry itself must say.
    [[nodiscard]] std::uint32_t index_end() const { return used_; }
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    static constexpr std::uint32_t chunk_entries =
        sizeof(T) >= 4096 ? 16 : std::bit_floor(std::uint32_t{65536} / sizeof(T));

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<std::uint32_t> free_;
    std::uint32_t used_ = 0;
    std::size_t count_ = 0;
};

// The same for runs of entries that lie side by side: a message's recipients. A run takes the next
// power of two of entries.
template <class T>
class RunSlab {
public:
    static constexpr std::uint32_t run_entries_max = 1u << 16;

    [[nodiscard]] std::uint32_t add(std::uint32_t count) {
        MTA_ASSERT(count > 0 && count <= run_entries_max);
        const auto size_class = class_of(count);
        const auto size = 1u << size_class;
        auto& free = free_[size_class];
        if (!free.empty()) {
            const auto first = free.back();
            free.pop_back();
            return first;
        }
        // A run never spans two chunks; what is left of the last one goes to the smaller classes.
        while (used_ % run_entries_max + size > run_entries_max) give_back_chunk_end();
        if (used_ / run_entries_max == chunks_.size())
            chunks_.push_back(std::make_unique<T[]>(run_entries_max));
        const auto first = used_;
        used_ += size;
        return first;
    }
    void remove(std::uint32_t first, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) (*this)[first + i] = T{};
        free_[class_of(count)].push_back(first);
    }
    [[nodiscard]] T& operator[](std::uint32_t index) {
        return chunks_[index / run_entries_max][index % run_entries_max];
    }
    [[nodiscard]] const T& operator[](std::uint32_t index) const {
        return chunks_[index / run_entries_max][index % run_entries_max];
    }

private:
    [[nodiscard]] static std::uint32_t class_of(std::uint32_t count) {
        return static_cast<std::uint32_t>(std::bit_width(count - 1));
    }
    void give_back_chunk_end() {
        const auto left = run_entries_max - used_ % run_entries_max;
        const auto size_class = static_cast<std::uint32_t>(std::bit_width(left)) - 1;
        free_[size_class].push_back(used_);
        used_ += 1u << size_class;
    }

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<std::uint32_t> free_[17];
    std::uint32_t used_ = 0;
};

}  // namespace queue
