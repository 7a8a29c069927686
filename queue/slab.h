#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "mta/base/assert.h"
#include "mta/base/handle.h"

namespace queue {

// The handles with the indices from `first` to before `end`, in order.
template <class H>
class HandleRange {
public:
    class Iterator {
    public:
        using value_type = H;
        using difference_type = std::ptrdiff_t;

        constexpr Iterator() = default;
        constexpr explicit Iterator(std::uint32_t index) : index_(index) {}
        constexpr H operator*() const { return H(index_); }
        constexpr Iterator& operator++() {
            ++index_;
            return *this;
        }
        constexpr Iterator operator++(int) { return Iterator(index_++); }
        friend constexpr bool operator==(Iterator, Iterator) = default;

    private:
        std::uint32_t index_ = 0;
    };

    constexpr HandleRange(std::uint32_t first, std::uint32_t end) : first_(first), end_(end) {}
    [[nodiscard]] constexpr Iterator begin() const { return Iterator(first_); }
    [[nodiscard]] constexpr Iterator end() const { return Iterator(end_); }

private:
    std::uint32_t first_;
    std::uint32_t end_;
};

// Entries named by 32-bit handles. Entries stay where they are while the slab grows: millions of
// them are never copied, and no pointers are kept. The slab uses the handle of a removed entry
// again: a stored handle is valid only while its entry exists.
template <class T, class H = mta::Handle<T>>
class Slab {
public:
    [[nodiscard]] H add(T value = T{}) {
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
        at(index) = std::move(value);
        return H(index);
    }
    void remove(H handle) {
        (*this)[handle] = T{};
        free_.push_back(handle.index());
        --count_;
    }
    [[nodiscard]] T& operator[](H handle) { return at(handle.index()); }
    [[nodiscard]] const T& operator[](H handle) const { return at(handle.index()); }
    // Every handle that was handed out so far, including those of removed entries: an entry must
    // show by itself whether it is free.
    [[nodiscard]] HandleRange<H> handles() const { return {0, used_}; }
    // The indices of all handles are below this.
    [[nodiscard]] std::uint32_t index_end() const { return used_; }
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    [[nodiscard]] T& at(std::uint32_t index) const {
        MTA_ASSERT(index < used_);
        return chunks_[index / chunk_entries][index % chunk_entries];
    }

    static constexpr std::uint32_t chunk_entries =
        sizeof(T) >= 4096 ? 16 : std::bit_floor(std::uint32_t{65536} / sizeof(T));

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<std::uint32_t> free_;
    std::uint32_t used_ = 0;
    std::size_t count_ = 0;
};

// A slab of runs: entries that lie side by side, such as the recipients of a message. The handle of
// its first entry names a run. A run takes the room of the next power of two of entries.
template <class T, class H = mta::Handle<T>>
class RunSlab {
public:
    static constexpr std::uint32_t run_entries_max = 1u << 16;

    [[nodiscard]] H add(std::uint32_t count) {
        MTA_ASSERT(count > 0 && count <= run_entries_max);
        const auto size_class = class_of(count);
        const auto size = 1u << size_class;
        auto& free = free_[size_class];
        if (!free.empty()) {
            const auto first = free.back();
            free.pop_back();
            return H(first);
        }
        // A run never spans two chunks; what is left of the last one goes to the smaller classes.
        while (used_ % run_entries_max + size > run_entries_max) give_back_chunk_end();
        if (used_ / run_entries_max == chunks_.size())
            chunks_.push_back(std::make_unique<T[]>(run_entries_max));
        const auto first = used_;
        used_ += size;
        return H(first);
    }
    // `count` as it was given to add().
    void remove(H run, std::uint32_t count) {
        for (auto& entry : entries(run, count)) entry = T{};
        free_[class_of(count)].push_back(run.index());
    }
    [[nodiscard]] std::span<T> entries(H run, std::uint32_t count) {
        return {first_of(run), count};
    }
    [[nodiscard]] std::span<const T> entries(H run, std::uint32_t count) const {
        return {first_of(run), count};
    }
    // Entry `number` of the run.
    [[nodiscard]] T& at(H run, std::uint32_t number) { return first_of(run)[number]; }
    [[nodiscard]] const T& at(H run, std::uint32_t number) const { return first_of(run)[number]; }

private:
    [[nodiscard]] T* first_of(H run) const {
        const auto index = run.index();
        return &chunks_[index / run_entries_max][index % run_entries_max];
    }
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
