#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace conf {

// The number of letters that have to be changed, inserted, removed or swapped with the next one to
// make one word of the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The name that is most similar to the word; empty if none is similar enough.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> names);

}  // namespace conf
