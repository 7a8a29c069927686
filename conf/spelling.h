#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace conf {

// How many letters have to be changed, put in, left out or swapped with their neighbour to make
// one word of the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The name that was probably meant; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> names);

}  // namespace conf
