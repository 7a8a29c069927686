#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mta::smtp {

// A server's reply to one command (RFC 5321 section 4.2). `code` is 200 to 599. `lines` has the
// text after "250-" and "250 " line by line, at least one, raw: it may contain any byte except LF.
struct Reply {
    std::uint16_t code = 0;
    std::vector<std::string> lines;

    // 2: success, 3: continue, 4: temporary failure, 5: permanent failure. It alone counts where a
    // code is unknown (section 4.3.2).
    [[nodiscard]] unsigned first_digit() const { return code / 100u; }
    bool operator==(const Reply&) const = default;
};

// All lines joined by '\n'.
[[nodiscard]] std::string text_of(const Reply& reply);

}  // namespace mta::smtp
