#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mta::smtp {

// What a server said to one command (RFC 5321 section 4.2). `code` is 200 to 599. `lines` holds the
// text behind "250-" and "250 " line by line, at least one, raw: any byte but LF may be in it.
struct Reply {
    std::uint16_t code = 0;
    std::vector<std::string> lines;

    // 2: done, 3: go on, 4: not now, 5: no. All that counts where a code is not known (section
    // 4.3.2).
    [[nodiscard]] unsigned first_digit() const { return code / 100u; }
    bool operator==(const Reply&) const = default;
};

// All lines joined by '\n'.
[[nodiscard]] std::string text_of(const Reply& reply);

}  // namespace mta::smtp
