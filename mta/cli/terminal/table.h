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
// Of an RFC 3339 time as the API gives it; "-" if it is none.
[[nodiscard]] std::string relative(std::string_view rfc3339, Instant now);

// "1 message", "2 messages".
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view noun);

// `text` in lines of at most `columns` (0: as it is), the later ones indented like the first.
void write_wrapped(std::ostream& out, std::string_view text, std::uint32_t columns);

// Columns as wide as their widest cell; a terminal's last column is cut to fit.
class Table {
public:
    explicit Table(std::vector<std::string> titles) : rows_{std::move(titles)} {}

    // As many cells as titles; they are made printable.
    void add(const std::vector<std::string>& cells);
    // `columns` as in CommandIo.
    void write(std::ostream& out, std::uint32_t columns) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace mta::cli
