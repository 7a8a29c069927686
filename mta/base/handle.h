#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "mta/base/assert.h"

namespace mta {

// Names one entry of a table by its position: 32 bits, as cheap as an index, but a handle of one
// kind does not convert to another kind or to a number. A function that takes a site cannot be
// called with a domain.
//
// `Tag` is the type of the entry, or any type that stands for the kind. A default-constructed
// handle is empty: it names no entry and compares unequal to every handle that names one. Tables
// use the indices of removed entries again, so a stored handle is valid only while its entry
// exists.
template <class Tag>
class Handle {
public:
    constexpr Handle() = default;
    // `index` must be below 0xffffffff. For tables that hand out handles, and for tests.
    constexpr explicit Handle(std::uint32_t index) : index_(index) { MTA_ASSERT(index != empty); }

    [[nodiscard]] constexpr explicit operator bool() const { return index_ != empty; }
    // Only if it is not empty.
    [[nodiscard]] constexpr std::uint32_t index() const {
        MTA_ASSERT(index_ != empty);
        return index_;
    }

    friend constexpr bool operator==(Handle, Handle) = default;
    friend constexpr auto operator<=>(Handle, Handle) = default;

private:
    static constexpr std::uint32_t empty = 0xffffffff;

    std::uint32_t index_ = empty;
};

}  // namespace mta

template <class Tag>
struct std::hash<mta::Handle<Tag>> {
    std::size_t operator()(mta::Handle<Tag> handle) const noexcept {
        return handle ? handle.index() : ~std::size_t{0};
    }
};
