#pragma once
#include <cstddef>
#include <string>

#include "mta/api/answer.h"

namespace mta::api {

// The value of "limit": a whole number from 1 on. What exceeds `most` is `most`.
[[nodiscard]] Outcome<std::size_t> parse_limit(const std::string& value, std::size_t most);

}  // namespace mta::api
