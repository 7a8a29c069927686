#include "mta/api/parameters.h"

#include <algorithm>
#include <charconv>

namespace mta::api {

Outcome<std::size_t> parse_limit(const std::string& value, std::size_t most) {
    std::size_t limit = 0;
    const auto* const end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, limit);
    if (parsed.ec != std::errc{} || parsed.ptr != end || limit == 0) {
        return std::unexpected(Problem{400, "limit must be a whole number from 1 on"});
    }
    return std::min(limit, most);
}

}  // namespace mta::api
