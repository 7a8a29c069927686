#pragma once
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/time.h"

namespace mta::cli {

// "in 4m", "2h ago", "now".
[[nodiscard]] std::string relative(Instant time, Instant now);
// The same of a time as the API writes it, by RFC 3339; "-" if the text is no time.
[[nodiscard]] std::string relative(std::string_view rfc3339, Instant now);

// "1 message", "2 messages".
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view noun);

// Writes `text` in lines of at most `columns` (0: unchanged). Later lines are indented like the
// first.
void write_wrapped(std::ostream& out, std::string_view text, std::uint32_t columns);

// Each column is as wide as its widest cell. On a terminal the last one is cut to fit.
class Table {
public:
    explicit Table(std::vector<std::string> titles) : rows_{std::move(titles)} {}

    // There must be as many cells as titles. They are made printable.
    void add(const std::vector<std::string>& cells);
    // `columns` is as in CommandIo.
    void write(std::ostream& out, std::uint32_t columns) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace mta::cli
