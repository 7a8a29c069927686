#include "conf/spelling.h"

#include <algorithm>
#include <vector>

namespace conf {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    // Three rows of the table: of two letters before (for a swap), of one before, and the current.
    std::vector<std::size_t> before_last(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before_last.swap(last);
        last.swap(row);
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
    }
    return row[b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> names) {
    constexpr std::size_t word_bytes_max = 64;
    if (word.size() > word_bytes_max) return {};
    std::string best;
    // If a third of the letters differ, it is another word.
    std::size_t distance_max = word.size() / 3 + 1;
    for (const auto& name : names) {
        const auto distance = edit_distance(word, name);
        if (distance >= distance_max) continue;
        best = name;
        distance_max = distance;
    }
    return best;
}

}  // namespace conf
